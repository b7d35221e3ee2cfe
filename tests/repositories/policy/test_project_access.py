"""Rules about the project, and about pushing to it before anything is known of the changes (contract: allowed 4.4 to 4.7)."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from repositories.policy import (
    AccessRequest,
    Actor,
    Allowed,
    Change,
    CreateProject,
    Denied,
    Destination,
    Key,
    Reason,
    Role,
    Skipped,
    User,
    decide,
    explain,
)
from repositories.policy.decision import RULES
from repositories.policy.explanation import APPLIES
from repositories.policy.messages import human_size
from repositories.policy.repository_path import named_type
from tests.repositories.policy.questions import (
    EXTERNAL,
    NOBODY,
    OTHER_KEY,
    PULL,
    PUSH,
    READING_KEY,
    STRANGER,
    WRITING_KEY,
    ask,
    member,
    project,
)

DEVELOPER = member(Role.DEVELOPER)
OWNER = member(Role.OWNER)
SERVICE = Actor(user=User(5, "bot", user_type="service_account", role=Role.DEVELOPER))
ID = "1" * 40
NONE = "0" * 40


def message_of(request: AccessRequest) -> str | None:
    verdict = decide(request)
    return verdict.message if isinstance(verdict, Denied) else None


@pytest.mark.parametrize("action", [PULL, PUSH])
def test_missing_and_hidden_projects_are_told_apart_by_nobody(action: str) -> None:
    """Allowed 10.3 #49, #50, 10.5 #106, gitlab-shell 5 #53."""
    missing, hidden = decide(ask(STRANGER, action, None)), decide(ask(STRANGER, action, project()))
    assert missing == hidden == Denied.because_of(Reason.PROJECT_NOT_FOUND)
    assert Reason.PROJECT_NOT_FOUND.status == 404


def test_a_path_without_a_namespace_names_nothing() -> None:
    assert message_of(ask(OWNER, PULL, None, path="rockets")) == "The namespace you were looking for could not be found."


def test_a_repository_may_be_missing_on_disk() -> None:
    """Allowed 10.6 #143, 10.11 #238, #239, #247, #251."""
    nothing = project(repository_exists=False, wiki_exists=False)
    guest = member(Role.GUEST)
    assert message_of(ask(guest, PULL, nothing)) == "A repository for this project does not exist yet."
    assert message_of(ask(guest, PULL, nothing, repository_type="wiki")) == "A repository for this wiki does not exist yet."
    assert message_of(ask(STRANGER, PULL, nothing)) == Reason.PROJECT_NOT_FOUND.message, "but a stranger is not told"
    assert Reason.NO_REPOSITORY.status == 404


CERTIFIED = project(root_enforces_ssh_certificates=True)
REFUSED = "You are not allowed to access projects in this namespace."


@pytest.mark.parametrize(
    ("actor", "what", "namespace_path", "message"),
    [
        pytest.param(DEVELOPER, project(), None, None, id="allowed 10.13 #290: not enforced"),
        pytest.param(DEVELOPER, CERTIFIED, None, REFUSED, id="enforced, without a certificate"),
        pytest.param(DEVELOPER, CERTIFIED, "", REFUSED, id="enforced, a blank namespace is none"),
        pytest.param(SERVICE, CERTIFIED, None, None, id="allowed 10.13 #293: service account"),
        pytest.param(READING_KEY, CERTIFIED, None, None, id="a deploy key passes"),
        pytest.param(DEVELOPER, CERTIFIED, "acme", None, id="allowed 10.13 #296: root group"),
        pytest.param(DEVELOPER, project(), "acme", None, id="a certificate where none is asked for"),
        pytest.param(DEVELOPER, project(full_path="acme/tools/rockets"), "acme/tools", REFUSED, id="allowed 10.13 #295: subgroup"),
        pytest.param(DEVELOPER, project(root_path="kiosk"), "KIOSK", None, id="any letter case"),
        pytest.param(DEVELOPER, project(root_path="kiosk"), "\u212aiosk", REFUSED, id="the Kelvin sign is no k"),
        pytest.param(DEVELOPER, project(), "other", REFUSED, id="gitlab-shell 5 #58"),
        pytest.param(DEVELOPER, project(root_is_group=False, root_path="ann"), "ann", REFUSED, id="allowed 10.13 #298: personal project"),
        pytest.param(DEVELOPER, None, "acme", Reason.PROJECT_NOT_FOUND.message, id="gitlab-shell 5 #53: no project"),
        pytest.param(STRANGER, CERTIFIED, None, Reason.PROJECT_NOT_FOUND.message, id="hidden is missing, without a certificate"),
        pytest.param(STRANGER, project(), "other", Reason.PROJECT_NOT_FOUND.message, id="hidden is missing, with another one"),
    ],
)
def test_certificates_and_namespaces(actor: Actor, what: object, namespace_path: str | None, message: str | None) -> None:
    request = ask(actor, PULL, what, namespace_path=namespace_path)  # type: ignore[arg-type]  # a project or None
    assert message_of(request) == message


def test_certificates_are_asked_for_before_the_changes_are_known_only() -> None:
    """Allowed 10.13 #292: Gitaly's own question carries no namespace."""
    changes = (Change(ID, "2" * 40, "refs/heads/topic"),)
    assert message_of(ask(DEVELOPER, PUSH, CERTIFIED, changes=changes)) is None


@pytest.mark.parametrize(
    ("address", "message"),
    [
        pytest.param(None, None, id="no address, no restriction"),
        pytest.param("150.168.0.1", None, id="allowed 10.13 #277"),
        pytest.param("150.168.0.2", Reason.PROJECT_NOT_FOUND.message, id="allowed 10.13 #278"),
        pytest.param("2001:db8::7", None, id="IPv6 inside"),
        pytest.param("2001:db9::7", Reason.PROJECT_NOT_FOUND.message, id="IPv6 outside"),
        pytest.param("[127.0", Reason.PROJECT_NOT_FOUND.message, id="gitlab-shell 5 #59: garbage"),
    ],
)
@pytest.mark.parametrize("actor", [DEVELOPER, READING_KEY])
def test_the_groups_list_of_addresses(address: str | None, message: str | None, actor: Actor) -> None:
    what = project(root_ip_allowlist=("150.168.0.1", "10.0.0.0/8", "2001:db8::/32"))
    assert message_of(ask(actor, PULL, what, check_ip=address)) == message


def test_without_a_list_any_address_will_do() -> None:
    assert message_of(ask(DEVELOPER, PULL, project(), check_ip="[127.0")) is None


@pytest.mark.parametrize(
    ("actor", "what", "message"),
    [
        pytest.param(OWNER, project(read_only=True, archived=True), Reason.REPOSITORY_READ_ONLY.message, id="allowed 4.6 row 1"),
        pytest.param(DEVELOPER, project(archived=True), "You can't push code to an archived project.", id="allowed 10.3 #46, 10.6 #145"),
        pytest.param(member(Role.GUEST), project(archived=True), Reason.ARCHIVED.message, id="archived comes before the role"),
        pytest.param(WRITING_KEY, project(archived=True), Reason.ARCHIVED.message, id="archived for a deploy key too"),
        pytest.param(NOBODY, project(visibility="public"), Reason.UPLOAD_NOT_ALLOWED.message, id="allowed 2.3"),
    ],
)
def test_projects_that_take_no_pushes(actor: Actor, what: object, message: str) -> None:
    assert message_of(ask(actor, PUSH, what)) == message  # type: ignore[arg-type]  # a project


@pytest.mark.parametrize("what", [project(archived=True), project(read_only=True)])
def test_archived_and_read_only_projects_can_be_pulled(what: object) -> None:
    """Allowed 4.5, 10.2 #29."""
    assert message_of(ask(DEVELOPER, PULL, what)) is None  # type: ignore[arg-type]  # a project


FULL = project(over_storage_limit=True, storage_limit=10 * 1024**3)
FULL_TEXT = (
    "Your push to this repository has been rejected because the namespace storage limit of 10 GiB has been reached. "
    "Reduce your namespace storage or ask an administrator for an exclusion."
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(None, None, id="never for _any"),
        pytest.param((Change(ID, NONE, "refs/heads/topic"),), None, id="allowed 10.13 #289: deletions make room"),
        pytest.param((Change(NONE, ID, "refs/heads/topic"),), FULL_TEXT, id="allowed 10.13 #283"),
        pytest.param((Change(ID, NONE, "refs/heads/a"), Change(NONE, ID, "refs/heads/b")), FULL_TEXT, id="one of two adds"),
    ],
)
def test_a_full_namespace_takes_deletions_only(changes: tuple[Change, ...] | None, message: str | None) -> None:
    """Decisions 10b."""
    assert message_of(ask(DEVELOPER, PUSH, FULL, changes=changes)) == message


def test_a_full_namespaces_wiki_is_not_writable() -> None:
    """Allowed 10.13 #287."""
    assert message_of(ask(DEVELOPER, PUSH, FULL, repository_type="wiki")) == Reason.WIKI_NOT_WRITABLE.message


@pytest.mark.parametrize(
    ("size", "text"), [(10 * 1024**3, "10 GiB"), (4 * 1024**2, "4 MiB"), (1536 * 1024, "1.5 MiB"), (1, "1 bytes"), (2**52, "4096 TiB")]
)
def test_sizes_as_people_read_them(size: int, text: str) -> None:
    assert human_size(size) == text


ROOM = Destination(1, may_create=True, root_path="acme")


@pytest.mark.parametrize(
    ("request_", "creates"),
    [
        pytest.param(ask(OWNER, PUSH, None, destination=ROOM), True, id="allowed 10.4 #67"),
        pytest.param(ask(OWNER, PUSH, None), False, id="allowed 10.4 #73: may not create there"),
        pytest.param(ask(OWNER, PULL, None, destination=ROOM), False, id="a pull creates nothing"),
        pytest.param(ask(WRITING_KEY, PUSH, None, destination=ROOM), False, id="allowed 10.4 #76: deploy key"),
        pytest.param(
            ask(OWNER, PUSH, None, destination=ROOM, changes=(Change(NONE, ID, "refs/heads/main"),)), False, id="allowed 10.4 #74"
        ),
        pytest.param(ask(OWNER, PUSH, None, destination=replace(ROOM, may_create=False)), False, id="without a role in the namespace"),
    ],
)
def test_a_push_may_create_its_project(request_: AccessRequest, creates: bool) -> None:
    assert isinstance(decide(request_), CreateProject) is creates


CERTIFICATES = replace(ROOM, root_enforces_ssh_certificates=True)


@pytest.mark.parametrize(
    ("destination", "fields", "reason", "message"),
    [
        pytest.param(CERTIFICATES, {}, Reason.NAMESPACE_NOT_ALLOWED, REFUSED, id="certificates, none shown"),
        pytest.param(ROOM, {"namespace_path": "other"}, Reason.NAMESPACE_NOT_ALLOWED, REFUSED, id="another group's certificate"),
        pytest.param(
            replace(ROOM, root_is_group=False), {"namespace_path": "acme"}, Reason.NAMESPACE_NOT_ALLOWED, REFUSED, id="personal namespace"
        ),
        pytest.param(
            replace(ROOM, root_protocol="http"), {}, Reason.PROTOCOL_NOT_ALLOWED, "Git access over SSH is not allowed", id="protocol"
        ),
        pytest.param(
            replace(ROOM, root_ip_allowlist=("10.0.0.0/8",)),
            {"check_ip": "11.1.1.1"},
            Reason.ADDRESS_NOT_ALLOWED,
            Reason.PROJECT_NOT_FOUND.message,
            id="address",
        ),
        pytest.param(
            replace(ROOM, has_unreadable_rules=True), {}, Reason.RULES_UNREADABLE, Reason.RULES_UNREADABLE.message, id="unreadable rules"
        ),
        pytest.param(replace(ROOM, archived=True), {}, Reason.NAMESPACE_ARCHIVED, Reason.PROJECT_NOT_FOUND.message, id="archived"),
        pytest.param(
            replace(ROOM, has_room=False), {}, Reason.PROJECTS_LIMIT_REACHED, Reason.PROJECT_NOT_FOUND.message, id="projects_limit"
        ),
    ],
)
def test_the_rules_of_a_namespace_hold_before_a_project_is_created_in_it(
    destination: Destination, fields: dict[str, str], reason: Reason, message: str
) -> None:
    """Decisions 10a; and whoever may not create there is told of none of them."""
    request = ask(OWNER, PUSH, None, destination=destination, path="acme/fresh", **fields)
    assert decide(request) == Denied(reason, message)
    assert reason.status == (404 if message == Reason.PROJECT_NOT_FOUND.message else 401)
    hidden = decide(replace(request, destination=replace(destination, may_create=False)))
    assert hidden == Denied.because_of(Reason.PROJECT_NOT_FOUND)


@pytest.mark.parametrize(
    ("destination", "fields"),
    [
        pytest.param(CERTIFICATES, {"namespace_path": "ACME"}, id="a certificate of the group, case-insensitively"),
        pytest.param(replace(ROOM, root_ip_allowlist=("10.0.0.0/8",)), {"check_ip": "10.1.1.1"}, id="an address inside"),
        pytest.param(replace(ROOM, root_ip_allowlist=("10.0.0.0/8",)), {}, id="no address"),
        pytest.param(replace(ROOM, root_protocol="ssh"), {}, id="the protocol that is open"),
    ],
)
def test_a_project_is_created_where_the_rules_of_its_namespace_allow_it(destination: Destination, fields: dict[str, str]) -> None:
    assert isinstance(decide(ask(OWNER, PUSH, None, destination=destination, path="acme/fresh", **fields)), CreateProject)


OUTSIDERS = {
    "nobody": NOBODY,
    "outsider": STRANGER,
    "external user": EXTERNAL,
    "deploy key of another project": OTHER_KEY,
    "minimal access": member(Role.MINIMAL),
}
HIDDEN: dict[str, dict[str, Any]] = {
    "plain": {},
    "one protocol": {"root_protocol": "http"},
    "certificates": {"root_enforces_ssh_certificates": True},
    "addresses": {"root_ip_allowlist": ("10.0.0.0/8",)},
    "archived": {"archived": True},
    "unreadable rules": {"has_unreadable_rules": True},
    "read-only": {"read_only": True},
    "no repository": {"repository_exists": False, "wiki_exists": False},
    "over its limit": {"over_storage_limit": True},
    "wiki switched off": {"wiki_access_level": "disabled", "repository_access_level": "disabled"},
}
NAMES: dict[str, dict[str, Any]] = {
    "path": {"path": "acme/rockets"},
    "path of a wiki": {"path": "acme/rockets.wiki", "repository_type": "wiki"},
    "path of a design": {"path": "acme/rockets.design", "repository_type": "design"},
    "project called wiki": {"path": "acme/rockets.wiki", "repository_type": "project"},
    "project called design": {"path": "acme/rockets.design", "repository_type": "project"},
    "in a namespace with a reserved name": {"path": "admin/rockets"},
    "id": {"path": None},
    "id of a wiki": {"path": None, "repository_type": "wiki"},
    "id of a design": {"path": None, "repository_type": "design"},
}


@pytest.mark.parametrize("who", OUTSIDERS)
@pytest.mark.parametrize("name", NAMES)
def test_hidden_is_missing_to_the_letter(who: str, name: str) -> None:
    """Decisions 10a: whatever the project and its group have, in whatever way somebody asks who may not know of it."""
    missing_type = NAMES[name].get("repository_type", "project")
    if NAMES[name]["path"] is not None:
        missing_type = named_type(NAMES[name]["path"])
    changes = (Change(NONE, ID, "refs/heads/topic"),)
    for fields, action, protocol, address, certificate, pushed in itertools.product(
        HIDDEN.values(), [PULL, PUSH, ""], ["ssh", "http", "web"], [None, "11.1.1.1"], [None, "acme", "other"], [None, changes]
    ):
        asked = ask(
            OUTSIDERS[who], action, project(**fields), protocol=protocol, check_ip=address, namespace_path=certificate, changes=pushed
        )
        hidden = replace(asked, **NAMES[name])
        missing = replace(asked, project=None, path=hidden.path, repository_type=missing_type)
        assert decide(hidden) == decide(missing), hidden
        assert isinstance(decide(hidden), Denied)


def test_outside_its_groups_addresses_a_project_is_missing_for_members_too() -> None:
    """Decisions 10a: neither its group's protocol nor its certificates are told from there."""
    for fields in HIDDEN.values():
        shut = project(**{**fields, "root_ip_allowlist": ("10.0.0.0/8",)})
        asked = ask(OWNER, PUSH, shut, path="acme/rockets", check_ip="11.1.1.1")
        assert message_of(asked) == message_of(replace(asked, project=None)) == Reason.PROJECT_NOT_FOUND.message


def test_an_explanation_has_every_rule_and_the_deciding_one() -> None:
    request = ask(STRANGER, PUSH, project())
    told = dict(explain(request))
    assert [name for name, _ in explain(request)] == [rule.__name__ for rule in RULES]
    assert told["project_is_visible"] == decide(request)
    assert told["account_is_active"] == Allowed()
    assert told["ssh_key_is_acceptable"] == told["actor_may_download"] == Skipped.DOES_NOT_APPLY
    assert told["actor_may_push"] == told["repository_exists"] == Skipped.NOT_REACHED


def test_an_explanation_of_a_pull_has_no_rule_about_pushes() -> None:
    told = dict(explain(ask(OWNER, PULL, project())))
    assert told["actor_may_download"] == Allowed()
    assert {told[name] for name in ("project_accepts_pushes", "actor_may_push", "ref_updates_are_allowed")} == {Skipped.DOES_NOT_APPLY}


@pytest.mark.parametrize("who", ["nobody", "outsider", "deploy key of another project", "minimal access"])
def test_a_rule_that_does_not_apply_objects_to_nothing(who: str) -> None:
    changes = (Change(NONE, ID, "refs/heads/topic"),)
    whats = [None, *(project(**fields) for fields in HIDDEN.values())]
    for what, action, protocol, kind, pushed, destination in itertools.product(
        whats, [PULL, PUSH, ""], ["ssh", "http", "web"], ["project", "wiki", "design"], [None, (), changes], [None, ROOM, CERTIFICATES]
    ):
        request = ask(OUTSIDERS[who], action, what, protocol=protocol, repository_type=kind, changes=pushed, destination=destination)
        assert set(APPLIES) == set(RULES)
        for rule in RULES:
            assert APPLIES[rule](request) or rule(request) is None, (rule.__name__, request)


@pytest.mark.parametrize("verdict", [Allowed(), Denied(Reason.BLOCKED, "no"), CreateProject()])
def test_a_verdict_has_no_truth_value(verdict: Allowed | Denied | CreateProject) -> None:
    with pytest.raises(TypeError):
        bool(verdict)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_a_401_or_a_404(reason: Reason) -> None:
    """Allowed 4.1: a 403 would make clients hide the text."""
    assert reason.status in (401, 404)


def test_a_wiki_that_is_missing_has_words_of_its_own() -> None:
    """Allowed 10.11 #254."""
    assert decide(ask(STRANGER, PUSH, project(), repository_type="wiki")) == Denied.because_of(Reason.WIKI_NOT_FOUND)


def test_a_key_of_nobody_is_nobody() -> None:
    assert message_of(ask(Actor(key=Key(4)), PULL, project())) == Reason.PROJECT_NOT_FOUND.message
