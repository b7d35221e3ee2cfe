"""Seed files: what they say becomes so, twice the same, or nothing changes and the place of the mistake is told."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from accounts.models import PersonalAccessToken, SSHKey, User
from internal_api.digests import token_digest
from internal_api.models import InstanceSettings
from repositories.models import (
    DeployKeyGrant,
    GroupLink,
    Member,
    Namespace,
    Project,
    ProtectedBranch,
    ProtectedTag,
    RedirectRoute,
    Route,
    Storage,
)
from tests import public_keys
from tests.factories import UserFactory

STORAGE = {"storages": [{"name": "default", "gitaly_address": "unix:/run/gitaly.socket"}]}
COMPANY: dict[str, Any] = {
    "instance": {"read_only": True, "minimum_key_bits": {"ssh-rsa": 3072}, "broadcasts": [{"message": "Hello", "starts_at": "2030-01-01"}]},
    **STORAGE,
    "users": [
        {
            "id": 70,
            "username": "ann",
            "email": "ann@example.com",
            "extra_emails": ["ann@work.example.com"],
            "password": "correct horse battery",
            "keys": [{"id": 11, "title": "laptop", "key": public_keys.ED25519, "usage_type": "auth"}],
            "personal_access_tokens": [{"name": "admin", "token": "glpat-secret", "scopes": ["api"], "expires_at": "2030-01-01"}],
        },
        {"username": "bob", "two_factor_secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "state": "blocked"},
    ],
    "groups": [
        {"id": 9, "path": "acme/tools", "members": {"ann": {"access_level": "developer", "expires_at": "2030-01-01"}}},
        {"path": "acme", "visibility": "public", "members": {"ann": "owner"}, "ip_allowlist": ["10.0.0.0/8"]},
        {"path": "guests"},
    ],
    "projects": [
        {
            "id": 7,
            "path": "acme/tools/rockets",
            "repository": {"storage": "default", "relative_path": "old/place.git", "empty": True},
            "members": {"bob": "reporter"},
            "shared_with": {"guests": "developer"},
            "redirects_from": ["old/place"],
            "deploy_keys": [{"id": 21, "title": "ci", "key": public_keys.CI_KEY, "can_push": True, "owner": "ann"}],
        },
        {"path": "ann/notes"},
    ],
}


def seed(tmp_path: Path, document: Any, *options: str) -> str:
    """Load a document as a file; what is printed."""
    path = tmp_path / "seed.yaml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    out = StringIO()
    call_command("seed", str(path), *options, stdout=out, stderr=StringIO())
    return out.getvalue()


def everything() -> list[list[dict[str, Any]]]:
    models = [User, SSHKey, PersonalAccessToken, Namespace, Route, Project, Member, GroupLink, DeployKeyGrant, RedirectRoute, Storage]
    return [list(model._default_manager.order_by("pk").values()) for model in models]  # noqa: SLF001  the default manager


def test_what_the_file_says_becomes_so(tmp_path: Path, db: None) -> None:
    seed(tmp_path, COMPANY)
    ann, bob = User.objects.get(username="ann"), User.objects.get(username="bob")
    assert (ann.pk, ann.email, ann.check_password("correct horse battery")) == (70, "ann@example.com", True)
    assert [extra.email for extra in ann.extra_emails.all()] == ["ann@work.example.com"]
    assert (bob.state, bob.two_factor_enabled, bob.has_usable_password()) == ("blocked", True, False)
    key = ann.ssh_keys.get(kind="key")
    assert (key.pk, key.title, key.usage_type, key.key) == (11, "laptop", "auth", " ".join(public_keys.ED25519.split()[:2]))
    token = ann.personal_access_tokens.get()
    assert (token.token_digest, token.scopes) == (token_digest("glpat-secret"), ["api"])
    project = Project.objects.get(pk=7)
    assert (project.route.path, project.relative_path, project.empty) == ("acme/tools/rockets", "old/place.git", True)
    assert project.namespace.pk == 9
    assert project.namespace.root is not None
    assert project.namespace.root.route.path == "acme"
    assert Project.objects.get(route__path="ann/notes").namespace.owner == ann
    grant = DeployKeyGrant.objects.get()
    assert (grant.key_id, grant.can_push, grant.key.user) == (21, True, ann)
    assert {(member.user.username, member.access_level) for member in Member.objects.all()} == {("ann", 30), ("ann", 50), ("bob", 20)}
    settings = InstanceSettings.current()
    assert (settings.read_only, settings.minimum_key_bits, settings.broadcasts[0]["message"]) == (True, {"ssh-rsa": 3072}, "Hello")


def test_applying_it_twice_changes_nothing_and_says_so(tmp_path: Path, db: None) -> None:
    seed(tmp_path, COMPANY)
    before = everything()
    assert seed(tmp_path, COMPANY) == "Nothing to change: everything is as the files say.\n"
    assert everything() == before


def test_json_is_yaml_and_files_may_be_several(tmp_path: Path, db: None) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.yaml"
    first.write_text(json.dumps({"users": [{"username": "ann"}]}))
    second.write_text("groups: [{path: acme, members: {ann: owner}}]")
    call_command("seed", str(first), str(second), stdout=StringIO())
    assert Member.objects.get().user.username == "ann"


def test_what_is_not_said_stays(tmp_path: Path, db: None) -> None:
    seed(tmp_path, COMPANY)
    seed(tmp_path, {"users": [{"username": "ann", "name": "Ann B", "keys": [{"key": public_keys.RSA_4096}]}]})
    ann = User.objects.get(username="ann")
    assert (ann.name, ann.email, ann.ssh_keys.filter(kind="key").count()) == ("Ann B", "ann@example.com", 2)


def test_what_is_marked_absent_goes(tmp_path: Path, db: None) -> None:
    seed(tmp_path, COMPANY)
    document = {
        "users": [
            {
                "username": "ann",
                "keys": [{"key": public_keys.ED25519, "absent": True}],
                "personal_access_tokens": [{"name": "admin", "absent": True}],
            }
        ],
        "projects": [
            {"path": "ann/notes", "absent": True},
            {
                "path": "acme/tools/rockets",
                "members": {"bob": {"absent": True}},
                "shared_with": {"guests": {"absent": True}},
                "deploy_keys": [{"key": public_keys.CI_KEY, "absent": True}],
            },
        ],
    }
    assert "removed" in seed(tmp_path, document)
    ann = User.objects.get(username="ann")
    assert (ann.ssh_keys.filter(kind="key").count(), ann.personal_access_tokens.count(), DeployKeyGrant.objects.count()) == (0, 0, 0)
    assert (Member.objects.filter(user__username="bob").count(), GroupLink.objects.count(), Project.objects.count()) == (0, 0, 1)
    assert seed(tmp_path, document).startswith("Nothing to change")


def test_an_empty_group_goes_and_one_with_something_in_it_does_not(tmp_path: Path, db: None) -> None:
    seed(tmp_path, COMPANY)
    assert "removed" in seed(tmp_path, "groups: [{path: guests, absent: true}]")
    assert not Namespace.objects.filter(path="guests").exists()
    for place in ("acme", "acme/tools"):
        with pytest.raises(CommandError, match=r"groups\[0\]: is still in use, and is not removed"):
            seed(tmp_path, {"groups": [{"path": place, "absent": True}]})
    with pytest.raises(CommandError, match=r"storages\[0\]: is still in use"):
        seed(tmp_path, "storages: [{name: default, absent: true}]")


def test_chosen_ids_are_kept_free_for_their_rows(tmp_path: Path, db: None) -> None:
    """A user's namespace is made before the group of id 9, and may not take that id."""
    users: list[dict[str, Any]] = [{"username": f"user{number}"} for number in range(3)]
    highest = (Namespace.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) + 2
    seed(tmp_path, {"users": users, "groups": [{"id": highest, "path": "acme"}, {"path": "other"}]})
    assert Namespace.objects.get(pk=highest).path == "acme"
    assert UserFactory.create(username="later").pk > 0


@pytest.mark.parametrize(("name", "problem"), [("a\\ud800b", "has half of a surrogate pair"), ("a\\u0000b", "has a NUL character")])
def test_a_text_that_cannot_be_stored_is_refused_where_it_stands(tmp_path: Path, db: None, name: str, problem: str) -> None:
    with pytest.raises(CommandError, match=rf"users\[0\]\.username: {problem}"):
        seed(tmp_path, f'{{"users": [{{"username": "{name}", "email": "a@example.com"}}]}}')
    assert not User.objects.filter(username__startswith="a").exists()


def test_a_token_without_a_text_is_generated_and_shown_once(tmp_path: Path, db: None) -> None:
    document = {"users": [{"username": "ann", "personal_access_tokens": [{"name": "ci", "scopes": ["read_api"]}]}]}
    shown = json.loads(seed(tmp_path, document, "--output", "json"))["secrets"]
    assert [(secret["kind"], secret["name"]) for secret in shown] == [("personal_access_token", "ann/ci")]
    assert PersonalAccessToken.objects.get().token_digest == token_digest(shown[0]["token"])
    assert json.loads(seed(tmp_path, document, "--output", "json")) == {"changes": {}, "secrets": []}
    assert "(shown this once)" in seed(tmp_path, {"users": [{"username": "bob", "personal_access_tokens": [{"name": "ci"}]}]})


def test_a_project_needs_no_storage_of_its_own(tmp_path: Path, db: None) -> None:
    """Everything may be left out; the defaults are the model's own."""
    seed(tmp_path, "groups: [{path: acme}]\nprojects: [{path: acme/a}]")
    storage = Project.objects.get().storage
    assert (storage.name, storage.gitaly_address) == ("default", "unix:/run/gitaly/gitaly.socket")


def test_the_same_key_in_two_projects_is_one_key_with_two_grants(tmp_path: Path, db: None) -> None:
    keys = [{"key": public_keys.CI_KEY, "title": "ci"}]
    projects = [{"path": "acme/a", "deploy_keys": keys}, {"path": "acme/b", "deploy_keys": keys}]
    seed(tmp_path, {**STORAGE, "groups": [{"path": "acme"}], "projects": projects})
    assert (SSHKey.objects.count(), DeployKeyGrant.objects.count()) == (1, 2)


def test_a_key_is_judged_by_the_rules_before_the_file_or_after(tmp_path: Path, db: None) -> None:
    """So that one file can set up a key that the rules it brings no longer allow (allowed 10.6 #128)."""
    users = [{"username": "ann", "keys": [{"key": public_keys.RSA_2048}]}]
    seed(tmp_path, {"instance": {"minimum_key_bits": {"ssh-rsa": 4096}}, "users": users})
    assert SSHKey.objects.get().bits == 2048


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ("users: [", "is not YAML: while parsing"),
        ("- a", "is not a mapping"),
        ("users: {}", "users: is not a list"),
        ("user: []", "user: is not a known key; did you mean 'users'?"),
        ("users: [{username: ann, nmae: x}]", "users[0].nmae: is not a known key; did you mean 'name'?"),
        ("users: [{}]", "users[0].username: is missing"),
        ("users: [{username: [a]}]", "users[0].username: is not a text"),
        ("users: [{username: ann}, {username: bob, admin: yes please}]", "users[1].admin: is not true or false"),
        ("users: [{username: ann, state: asleep}]", "users[0].state: 'asleep' is none of: 'active'"),
        ("users: [{username: '-ann'}]", "users[0]: User '-ann' is not accepted"),
        ("users: [{username: ann, id: 0}]", "users[0].id: 0 is no id"),
        ("users: [{username: ann, id: x}]", "users[0].id: is not a number"),
        ("users: [{username: ann, id: 9223372036854775807}]", "users[0].id: is above 9007199254740992, beyond which ids could run out"),
        ("users: [{username: ann, password_expires_at: '9999-12-31T23:59:59-05:00'}]", "users[0].password_expires_at: is not a time of the years"),
        ("users: [{username: ann, name: !!bool abc}]", "cannot be read: a value is malformed"),
        ("users: [{username: ann, name: !!timestamp abc}]", "cannot be read: a value is malformed"),
        ("users: [{username: ann, name: !!int ''}]", "cannot be read: a value is malformed"),
        ("users: [{username: ann, id: 99999999999999999999}]", "users[0].id: is not a number"),
        ("users: [{username: ann, email: a@example.com}, {username: bob, email: A@example.com}]", "users[1]: User 'bob' is not accepted"),
        ("users: [{username: ann, two_factor_secret: JBSWY3DP}]", "users[0].two_factor_secret: is shorter than 14 bytes"),
        ("users: [{username: ann, two_factor_secret: '!!'}]", "users[0].two_factor_secret: is not base32"),
        ("users: [{username: ann, keys: [{key: 'ssh-ed25519 AAAA'}]}]", "users[0].keys[0].key: The key cannot be read"),
        ("users: [{username: ann, keys: [{title: x}]}]", "users[0].keys[0].key: is missing"),
        ("users: [{username: ann, username: bob}]", "the key 'username' is given twice"),
        ("users: [{username: ann, personal_access_tokens: [{scopes: [all]}]}]", "users[0].personal_access_tokens[0].scopes[0]: There is no scope 'all'."),
        ("groups: [{path: acme/tools}]", "groups[0].path: there is no group 'acme'"),
        ("groups: [{path: admin}]", "groups[0]: Group 'admin' is not accepted: The name is reserved."),
        ("groups: [{path: a b}]", "groups[0]: Group 'a b' is not accepted"),
        ("groups: [{path: acme, members: {ann: owner}}]", "groups[0].members.ann: there is no user 'ann'"),
        ("groups: [{path: acme, ip_allowlist: [everywhere]}]", "groups[0].ip_allowlist[0]: 'everywhere' is not a range"),
        ("groups: [{path: acme}, {path: acme/b, ip_allowlist: [10.0.0.0/8]}]", "groups[1].ip_allowlist: is for top-level groups"),
        ("groups: [{path: acme, shared_with: {x: guest}}]", "groups[0].shared_with.x: there is no group 'x'"),
        ("groups: [{path: acme, shared_with: {acme: guest}}]", "groups[0].shared_with.acme: Only another group can be invited."),
        ("groups: [{path: acme, visibility: secret}]", "groups[0].visibility: 'secret' is none of"),
        ("projects: [{path: acme/a}]", "projects[0].path: there is no namespace 'acme'"),
        ("groups: [{path: acme}]\nprojects: [{path: acme/a, repository: {storage: x}}]", "projects[0].repository.storage: there is no storage 'x'"),
        ("storages: [{gitaly_address: 'unix:/x'}]", "storages[0].name: is missing"),
        ("instance: {read_only: 1}", "instance.read_only: is not true or false"),
        ("instance: {feature_flags: {gitaly_x: {project: []}}}", "instance.feature_flags.gitaly_x.project: is not a known key; did you mean 'projects'?"),
        ("instance: {broadcasts: [{}]}", "instance.broadcasts[0].message: is missing"),
        ("instance: {broadcasts: [{mesage: x}]}", "instance.broadcasts[0].message: is missing"),
        ("instance: {broadcasts: [{message: x, starts_at: tomorrow}]}", "instance.broadcasts[0].starts_at: is not a time"),
        ("instance: {allowed_key_types: [rsa]}", "instance.allowed_key_types[0]: 'rsa' is not a type of SSH key; did you mean 'ssh-rsa'?"),
        ("instance: {minimum_key_bits: {ssh-rsa: abc}}", "instance.minimum_key_bits.ssh-rsa: is not a number from 0 to 65536"),
        ("instance: {default_branch_name: a..b}", "instance.default_branch_name: 'a..b' is not a branch name that Git accepts."),
        ("instance: {receive_max_input_size: 2147483648}", "instance.receive_max_input_size: Ensure this value is less than or equal to 2147483647."),
        ("groups: [{path: acme, verified_email_domains: ['@x.org']}]", "groups[0].verified_email_domains[0]: '@x.org' is not a domain"),
        ("storages: [{name: x, gitaly_address: gitaly}]", "storages[0].gitaly_address: A Gitaly address starts with unix:"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_by_its_place_and_changes_nothing(tmp_path: Path, db: None, document: str, error: str) -> None:
    before = everything()
    with pytest.raises(CommandError) as caught:
        seed(tmp_path, document)
    assert str(caught.value).startswith(f"{tmp_path / 'seed.yaml'}: ")
    assert error in str(caught.value)
    assert "\n" not in str(caught.value)
    assert everything() == before


def test_an_id_and_a_name_of_two_rows_are_a_mistake(tmp_path: Path, db: None) -> None:
    seed(tmp_path, COMPANY)
    with pytest.raises(CommandError, match=r"users\[0\].id: 70 is the id of another row, not of user 'bob'"):
        seed(tmp_path, {"users": [{"id": 70, "username": "bob"}]})
    with pytest.raises(CommandError, match=r"projects\[0\].id: project 'acme/tools/rockets' has the id 7 already"):
        seed(tmp_path, {"projects": [{"id": 800, "path": "acme/tools/rockets"}]})
    with pytest.raises(CommandError, match=r"users\[0\].keys\[0\].key: belongs to somebody else"):
        seed(tmp_path, {"users": [{"username": "bob", "keys": [{"key": public_keys.ED25519}]}]})
    with pytest.raises(CommandError, match="belongs to a user; a deploy key is a key of its own"):
        seed(tmp_path, {"projects": [{"path": "ann/notes", "deploy_keys": [{"key": public_keys.ED25519}]}]})


def test_of_several_files_a_mistake_in_the_last_undoes_the_first(tmp_path: Path, db: None) -> None:
    (tmp_path / "a.yaml").write_text("users: [{username: ann}]")
    (tmp_path / "b.yaml").write_text("groups: [{path: acme, members: {bob: owner}}]")
    with pytest.raises(CommandError, match=r"b\.yaml: groups\[0\]\.members\.bob"):
        call_command("seed", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml"), stdout=StringIO())
    assert not User.objects.exists()


def test_a_file_that_is_not_there(db: None) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("seed", "/nowhere/seed.yaml")


def test_the_demo_can_be_loaded_and_says_what_its_document_says(db: None) -> None:
    call_command("seed", "demo/seed.yaml", stdout=StringIO())
    assert Project.objects.get(pk=3).route.path == "gnuwget/wget2"
    assert SSHKey.objects.get(pk=11).user == User.objects.get(pk=1)


def test_rules_on_branches_and_tags(tmp_path: Path, db: None) -> None:
    rules = {
        "protected_branches": [
            {"name": "main", "push": ["maintainer", {"user": "bob"}, {"group": "guests"}, {"deploy_key": "ci"}], "allow_force_push": True},
            {"name": "old-*"},
        ],
        "protected_tags": [{"name": "v*", "create": ["developer"]}],
    }
    seed(tmp_path, COMPANY)
    document = {
        "projects": [{"path": "acme/tools/rockets", **rules}],
        "groups": [{"path": "acme", "protected_branches": [{"name": "prod"}]}],
    }
    seed(tmp_path, document)
    rule = ProtectedBranch.objects.get(name="main")
    found = {(grant.kind, grant.access_level, grant.user_id, grant.group_id, grant.deploy_key_id) for grant in rule.grants.all()}
    bob, guests = User.objects.get(username="bob").pk, Namespace.objects.get(path="guests").pk
    pushers = {
        ("push", 40, None, None, None),
        ("push", None, bob, None, None),
        ("push", None, None, guests, None),
        ("push", None, None, None, 21),
    }
    assert found == pushers | {("merge", 40, None, None, None)}
    assert (rule.allow_force_push, ProtectedTag.objects.get().grants.get().access_level) == (True, 30)
    assert seed(tmp_path, document).startswith("Nothing to change")
    absent = {"protected_branches": [{"name": "main", "absent": True}], "protected_tags": [{"name": "v*", "absent": True}]}
    seed(tmp_path, {"projects": [{"path": "acme/tools/rockets", **absent}]})
    assert (set(ProtectedBranch.objects.values_list("name", flat=True)), ProtectedTag.objects.count()) == ({"old-*", "prod"}, 0)


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ({"push": ["everybody"]}, "protected_branches[0].push[0]: 'everybody' is none of: 'no_one', 'developer'"),
        ({"push": [{"user": "nobody"}]}, "protected_branches[0].push[0]: there is no user 'nobody'"),
        ({"push": [{"deploy_key": "x"}]}, "protected_branches[0].push[0]: there is no deploy_key 'x'"),
        ({"push": [{"user": "ann", "group": "acme"}]}, "protected_branches[0].push[0]: names one of user, group and deploy_key"),
        ({"push": "maintainer"}, "protected_branches[0].push: is not a list"),
    ],
)
def test_a_mistake_in_a_rule_is_told_by_its_place(tmp_path: Path, db: None, rule: dict[str, Any], error: str) -> None:
    seed(tmp_path, COMPANY)
    with pytest.raises(CommandError) as caught:
        seed(tmp_path, {"projects": [{"path": "ann/notes", "protected_branches": [{"name": "main", **rule}]}]})
    assert f"projects[0].{error}" in str(caught.value)
    with pytest.raises(CommandError, match="Only top-level groups protect branches"):
        seed(tmp_path, {"groups": [{"path": "acme/tools", "protected_branches": [{"name": "main"}]}]})
