"""POST /allowed with `_any` (contract: allowed 2, 3, 6, 10.1 to 10.6, gitlab-shell 5, gitaly 6)."""

import base64
import json
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import SSHKey, User
from internal_api.models import InstanceSettings
from repositories.models import Member, Namespace, Project, Refusal
from repositories.services.access import grant_deploy_key, set_member, share_with
from repositories.services.projects import add_redirect
from tests import public_keys
from tests.factories import DeployKeyFactory, GroupFactory, ProjectFactory, SSHKeyFactory, UserFactory

PATH = "/api/v4/internal/allowed"
NOT_FOUND = "The project you were looking for could not be found or you don't have permission to view it."
ZEROS = "0" * 40
ID = "570e7b2abdd848b95f2f578043fc23bd6f6fd24d"


@pytest.fixture
def key(ann: User, rockets: Project) -> SSHKey:
    """The key of ann, a developer of the project."""
    set_member(rockets, ann, 30)
    return SSHKeyFactory.create(id=11, user=ann)


def post(caller: Client, **values: Any) -> Any:
    question = {"action": "git-upload-pack", "project": "acme/rockets.git", "changes": "_any", "protocol": "ssh", **values}
    return caller.post(PATH, {name: value for name, value in question.items() if value is not None}, content_type="application/json")


def refused(response: Any, status: int, message: str) -> None:
    assert (response.status_code, response.json()) == (status, {"status": False, "message": message})
    assert response["Content-Type"] == "application/json"


def change_instance(**fields: Any) -> None:
    settings = InstanceSettings.current()
    for name, value in fields.items():
        setattr(settings, name, value)
    settings.save()


@pytest.mark.parametrize("action", ["git-upload-pack", "git-upload-archive", "git-receive-pack"])
def test_a_developer_may_pull_and_push(shell: Client, key: SSHKey, rockets: Project, action: str) -> None:
    """Allowed 6, 10.2 #17; gitlab-shell 5 #49, #61; gitaly 6 #49."""
    response = post(shell, key_id="11", action=action)
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    digest = rockets_digest(rockets)
    assert response.json() == {
        "status": True,
        "gl_repository": f"project-{rockets.pk}",
        "gl_project_path": "acme/rockets",
        "gl_project_id": rockets.pk,
        "gl_root_namespace_id": rockets.namespace_id,
        "gl_id": f"user-{key.user_id}",
        "gl_username": "ann",
        "gl_key_type": "key",
        "gl_key_id": 11,
        "git_config_options": ["uploadpack.allowFilter=true", "uploadpack.allowAnySHA1InWant=true"],
        "gitaly": {
            "repository": {
                "storage_name": "default",
                "relative_path": f"@hashed/{digest[:2]}/{digest[2:4]}/{digest}.git",
                "git_object_directory": "",
                "git_alternate_object_directories": [],
                "gl_repository": f"project-{rockets.pk}",
                "gl_project_path": "acme/rockets",
            },
            "address": "unix:/run/gitaly/gitaly.socket",
            "token": None,
            "features": {},
        },
        "gl_console_messages": [],
        "need_audit": False,
    }


def rockets_digest(project: Project) -> str:
    from hashlib import sha256  # noqa: PLC0415  only here

    return sha256(str(project.pk).encode()).hexdigest()


def test_the_documents_own_example_works(shell: Client, db: None) -> None:
    """Internal API document, `allowed`: a form, without `changes`."""
    root = UserFactory.create(id=1, username="root")
    SSHKeyFactory.create(id=11, user=root)
    project = ProjectFactory.create(id=3, path="wget2", namespace=GroupFactory.create(path="gnuwget"))
    set_member(project, root, 50)
    response = shell.post(PATH, {"key_id": 11, "project": "gnuwget/wget2", "action": "git-upload-pack", "protocol": "ssh"})
    answer = response.json()
    assert (response.status_code, answer["gl_repository"], answer["gl_id"], answer["gl_username"]) == (200, "project-3", "user-1", "root")
    assert answer["gitaly"]["repository"]["relative_path"] == (
        "@hashed/4e/07/4e07408562bedb8b60ce05c1decfe3ad16b72230967de01f640b7e4729b49fce.git"
    )


@pytest.mark.parametrize(
    ("actor", "with_key"),
    [({"key_id": 11}, True), ({"key_id": "11"}, True), ({"user_id": "7"}, False), ({"user_id": 7}, False), ({"username": "Ann"}, False),
     ({"krb5principal": "ann@EXAMPLE.COM"}, False), ({"identifier": "user-7"}, False), ({"identifier": "key-11"}, False)],
)  # fmt: skip
def test_everybody_who_can_be_named_is_the_same_person(shell: Client, rockets: Project, actor: dict[str, Any], with_key: bool) -> None:
    """Allowed 2.1, 2.2, 11.4; gitlab-shell 5 #56."""
    ann = UserFactory.create(id=7, username="ann", kerberos_principal="ann@EXAMPLE.COM")
    SSHKeyFactory.create(id=11, user=ann)
    set_member(rockets, ann, 20)
    answer = post(shell, **actor).json()
    assert (answer["gl_id"], answer["gl_username"], "gl_key_id" in answer) == ("user-7", "ann", with_key)


def test_the_same_answer_to_json_form_and_query(shell: Client, key: SSHKey) -> None:
    """Decisions 3, 4a: the body wins over the query."""
    values = {"action": "git-upload-pack", "project": "acme/rockets", "changes": "_any", "protocol": "ssh", "key_id": "11"}
    answers = [
        shell.post(PATH, values, content_type="application/json").json(),
        shell.post(PATH, values).json(),
        shell.post(f"{PATH}?key_id=12&project=acme/rockets&action=git-upload-pack", {"protocol": "ssh", "key_id": "11"}).json(),
        shell.post(f"{PATH}/", values).json(),
    ]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["status"] is True


@pytest.mark.parametrize("project", ["acme/rockets", "acme/rockets.git", "/acme/rockets.git", "/acme/rockets.git/", "ACME/Rockets.git"])
def test_one_project_has_many_spellings(shell: Client, key: SSHKey, project: str) -> None:
    """gitlab-shell 5 #50, allowed 10.15 #355."""
    assert post(shell, key_id=11, project=project).json()["gl_project_path"] == "acme/rockets"


def test_gl_repository_decides_alone(shell: Client, key: SSHKey, rockets: Project) -> None:
    """Allowed 3.1, gitaly 6 #25, #28: Gitaly sends a path on its disk beside it."""
    response = post(shell, key_id=11, gl_repository=f"project-{rockets.pk}", project="/var/opt/gitaly/@hashed/x.git")
    assert response.json()["gl_project_path"] == "acme/rockets"


@pytest.mark.parametrize("gl_repository", ["project-999", "project-", "project-abc", "foo", "snippet-1", "", "project-9223372036854775808"])
def test_an_id_that_names_nothing_is_not_found(shell: Client, key: SSHKey, gl_repository: str) -> None:
    """Gitaly 6 #26, decisions 10a."""
    refused(post(shell, key_id=11, gl_repository=gl_repository), 404, NOT_FOUND)


def test_a_wiki_that_names_nothing_has_the_wikis_words(shell: Client, key: SSHKey) -> None:
    refused(post(shell, key_id=11, gl_repository="wiki-999"), 404, "The wiki you were looking for could not be found.")


@pytest.mark.parametrize("named", [{"project": "acme/rockets.wiki.git"}, {"project": "acme/rockets.wiki"}, {"gl_repository": "wiki-{}"}])
def test_a_wiki(shell: Client, key: SSHKey, rockets: Project, named: dict[str, str]) -> None:
    """Allowed 10.2 #20, 10.15 #356."""
    answer = post(shell, key_id=11, action="git-receive-pack", **{n: v.format(rockets.pk) for n, v in named.items()}).json()
    assert (answer["gl_repository"], answer["gl_project_path"]) == (f"wiki-{rockets.pk}", "acme/rockets.wiki")
    assert answer["gitaly"]["repository"]["relative_path"].endswith(".wiki.git")
    assert (answer["gl_project_id"], answer["gl_root_namespace_id"]) == (rockets.pk, rockets.namespace_id)


def test_a_project_called_wiki_beats_the_wiki(shell: Client, key: SSHKey, acme: Namespace, ann: User) -> None:
    """Allowed 3.3."""
    real = ProjectFactory.create(path="rockets.wiki", namespace=acme)
    set_member(real, ann, 20)
    assert post(shell, key_id=11, project="acme/rockets.wiki.git").json()["gl_repository"] == f"project-{real.pk}"


@pytest.mark.parametrize("named", [{"project": "acme/rockets.design"}, {"gl_repository": "design-{}"}])
def test_designs(shell: Client, key: SSHKey, rockets: Project, named: dict[str, str]) -> None:
    """Allowed 10.3 #58."""
    response = post(shell, key_id=11, action=None, **{name: value.format(rockets.pk) for name, value in named.items()})
    refused(response, 401, "Designs are only accessible using the web interface")


def test_an_old_path_leads_to_the_project(shell: Client, key: SSHKey, rockets: Project) -> None:
    """Allowed 3.3, 3.4, 10.15 #361."""
    add_redirect(rockets, "old/Place")
    assert post(shell, key_id=11, project="OLD/place.git").json()["gl_project_path"] == "acme/rockets"
    assert post(shell, key_id=11, project="old/place.wiki.git").json()["gl_repository"] == f"wiki-{rockets.pk}"


def test_a_missing_project_and_a_missing_namespace(shell: Client, key: SSHKey) -> None:
    """Allowed 3.5, 10.3 #49."""
    refused(post(shell, key_id=11, project="acme/nothing.git"), 404, NOT_FOUND)
    namespace = "The namespace you were looking for could not be found."
    for path in ("foo", "", "/~joe/p.git", "admin/p"):
        refused(post(shell, key_id=11, project=path), 404, namespace)


def test_nobody_and_unknown_keys(shell: Client, key: SSHKey, rockets: Project) -> None:
    """Allowed 2.3, 10.3 #50; gitlab-shell 5 #55; gitaly 6 #23."""
    for actor in ({}, {"key_id": 0}, {"key_id": 999}, {"key_id": "abc"}, {"username": "noone"}, {"key_id": "", "user_id": key.user_id}):
        refused(post(shell, **actor), 404, NOT_FOUND)
    Project.objects.update(visibility="public")
    answer = post(shell, key_id=999).json()
    assert (answer["gl_id"], "gl_username" in answer, "gl_key_id" in answer) == ("", False, False)
    refused(post(shell, action="git-receive-pack"), 401, "You are not allowed to upload code for this project.")


def test_a_signing_key_is_nobody(shell: Client, key: SSHKey) -> None:
    """Allowed 2.4."""
    SSHKey.objects.update(usage_type="signing")
    refused(post(shell, key_id=11), 404, NOT_FOUND)


def test_an_expired_key(shell: Client, key: SSHKey) -> None:
    """Allowed 10.3 #41."""
    SSHKey.objects.update(expires_at=timezone.now() - timedelta(days=2))
    refused(post(shell, key_id=11), 401, "Your SSH key has expired.")


def test_a_key_that_expires_soon_says_so(shell: Client, key: SSHKey) -> None:
    """Allowed 10.2 #28."""
    SSHKey.objects.update(expires_at=timezone.now() + timedelta(days=2))
    assert post(shell, key_id=11).json()["gl_console_messages"] == ["INFO: Your SSH key expires soon. Please generate a new key."]
    SSHKey.objects.update(expires_at=timezone.now() + timedelta(days=8))
    assert post(shell, key_id=11).json()["gl_console_messages"] == []


def test_a_key_that_the_site_no_longer_wants(shell: Client, key: SSHKey, ann: User) -> None:
    """Allowed 10.6 #128."""
    SSHKeyFactory.create(id=12, user=ann, key=public_keys.RSA_2048)
    change_instance(minimum_key_bits={"ssh-rsa": 4096})
    refused(post(shell, key_id=12), 401, "Your SSH key must be at least 4096 bits.")
    change_instance(allowed_key_types=["ssh-rsa", "ecdsa-sha2-nistp256"])
    refused(post(shell, key_id=11), 401, "Your SSH key type is forbidden. Must be ssh-rsa or ecdsa-sha2-nistp256.")


def test_a_deploy_key(shell: Client, rockets: Project) -> None:
    """Allowed 10.2 #31, 10.3 #47, gitlab-shell 5 #62: without an owner it acts as the ghost."""
    deploy = DeployKeyFactory.create(id=21)
    refused(post(shell, key_id=21, action="git-upload-archive"), 404, NOT_FOUND)
    grant_deploy_key(rockets, deploy, can_push=False)
    ghost = User.objects.get(user_type="ghost")
    answer = post(shell, key_id=21, action="git-upload-archive").json()
    found = [answer[name] for name in ("gl_key_type", "gl_key_id", "gl_id", "gl_username")]
    assert found == ["deploy_key", 21, f"user-{ghost.pk}", "ghost"]
    refused(post(shell, key_id=21, action="git-receive-pack"), 401, "This deploy key does not have write access to this project.")
    grant_deploy_key(rockets, deploy, can_push=True)
    assert post(shell, key_id=21, action="git-receive-pack").status_code == 200
    assert post(shell, identifier="key-21").json()["gl_key_id"] == 21


def test_a_deploy_key_acts_as_its_owner_blocked_or_not(shell: Client, rockets: Project, ann: User) -> None:
    """Allowed 2.5."""
    ann.state = "blocked"
    ann.save()
    grant_deploy_key(rockets, DeployKeyFactory.create(id=21, owner=ann), can_push=False)
    assert post(shell, key_id=21).json()["gl_username"] == "ann"


@pytest.mark.parametrize("place", ["project", "group", "parent", "project link", "group link", "owner"])
def test_every_way_to_a_role(shell: Client, db: None, place: str) -> None:
    """Members of a project, of a group above it, of a group invited to either, and the owner of a user's own namespace."""
    ann = UserFactory.create(id=7, username="ann")
    parent = GroupFactory.create(path="acme")
    group = GroupFactory.create(path="tools", parent=parent)
    project = ProjectFactory.create(path="rockets", namespace=ann.namespace if place == "owner" else group)
    guests = GroupFactory.create(path="guests")
    match place:
        case "project":
            set_member(project, ann, 20)
        case "group":
            set_member(group, ann, 20)
        case "parent":
            set_member(parent, ann, 20)
        case "project link":
            set_member(guests, ann, 40)
            share_with(project, GroupFactory.create(path="inner", parent=guests), 20)
        case "group link":
            set_member(guests, ann, 40)
            share_with(parent, guests, 20)
        case _:
            assert place == "owner"
    gl_repository = f"project-{project.pk}"
    assert post(shell, user_id=7, gl_repository=gl_repository).status_code == 200
    pushed = post(shell, user_id=7, gl_repository=gl_repository, action="git-receive-pack")
    assert pushed.status_code == (200 if place == "owner" else 401), "an invitation gives at most its own level"


def test_an_inherited_member_of_an_invited_group_has_no_role_through_a_group(shell: Client, rockets: Project, ann: User) -> None:
    """Direct members count where a group was invited to a group; inherited ones do where it was invited to a project."""
    guests = GroupFactory.create(path="guests")
    inner = GroupFactory.create(path="inner", parent=guests)
    set_member(guests, ann, 40)
    share_with(rockets.namespace, inner, 30)
    refused(post(shell, user_id=ann.pk), 404, NOT_FOUND)


@pytest.mark.parametrize("fields", [{"state": "awaiting"}, {"expires_at": date(2020, 1, 1)}, {"expires_at": "today"}])
def test_awaiting_and_expired_memberships_do_not_count(shell: Client, rockets: Project, ann: User, fields: dict[str, Any]) -> None:
    """Allowed 10.3 #38."""
    set_member(rockets, ann, 30)
    Member.objects.update(**{name: timezone.now().date() if value == "today" else value for name, value in fields.items()})
    refused(post(shell, user_id=ann.pk), 404, NOT_FOUND)
    Member.objects.update(state="active", expires_at=timezone.now().date() + timedelta(days=1))
    assert post(shell, user_id=ann.pk).status_code == 200


def test_an_archived_ancestor_archives_the_project(shell: Client, ann: User, acme: Namespace) -> None:
    """Allowed 10.6 #145, #146."""
    tools = GroupFactory.create(path="tools", parent=acme)
    ProjectFactory.create(path="rockets", namespace=tools)
    set_member(tools, ann, 40)
    Namespace.objects.filter(pk=acme.pk).update(archived=True)
    refused(
        post(shell, user_id=ann.pk, project="acme/tools/rockets", action="git-receive-pack"),
        401,
        "You can't push code to an archived project.",
    )
    assert post(shell, user_id=ann.pk, project="acme/tools/rockets").status_code == 200


def test_what_the_instance_says(shell: Client, key: SSHKey) -> None:
    """Allowed 6 (receive.maxInputSize), 10.3 #52, #53, decisions 14c."""
    change_instance(receive_max_input_size=1, log_git_audit_events=True)
    answer = post(shell, key_id=11, action="git-receive-pack").json()
    assert answer["git_config_options"][-1] == "receive.maxInputSize=1048576"
    assert answer["need_audit"] is True
    change_instance(enabled_git_access_protocol="http")
    refused(post(shell, key_id=11), 401, "Git access over SSH is not allowed")


def test_the_top_level_group_decides_for_all_below(shell: Client, acme: Namespace, ann: User) -> None:
    """Allowed 4.3 row 5, 10.13 #277, #278, #295, #296."""
    tools = GroupFactory.create(path="tools", parent=acme)
    ProjectFactory.create(path="rockets", namespace=tools)
    set_member(acme, ann, 30)
    question = {"user_id": ann.pk, "project": "acme/tools/rockets"}
    Namespace.objects.filter(pk=acme.pk).update(ip_allowlist=["150.168.0.1"])
    assert post(shell, **question, check_ip="150.168.0.1").status_code == 200
    refused(post(shell, **question, check_ip="150.168.0.2"), 404, NOT_FOUND)
    Namespace.objects.filter(pk=acme.pk).update(ip_allowlist=[], enforce_ssh_certificates=True)
    refused(post(shell, **question), 401, "You are not allowed to access projects in this namespace.")
    assert post(shell, **question, namespace_path="acme").status_code == 200
    Namespace.objects.filter(pk=acme.pk).update(enforce_ssh_certificates=False, enabled_git_access_protocol="http")
    refused(post(shell, **question), 401, "Git access over SSH is not allowed")


@pytest.mark.parametrize(
    ("flags", "features"),
    [
        ({"gitaly_mep_mep": True}, {"gitaly-feature-mep-mep": "true"}),
        ({"gitaly_mep_mep": {"projects": ["acme/rockets"]}}, {"gitaly-feature-mep-mep": "true"}),
        ({"gitaly_a": {"groups": ["ACME"]}, "gitaly_b": {"users": ["ann"]}}, {"gitaly-feature-a": "true", "gitaly-feature-b": "true"}),
        ({"gitaly_mep_mep": {"projects": ["acme/other"], "groups": ["ac"]}}, {"gitaly-feature-mep-mep": "false"}),
        ({"gitaly_mep_mep": False, "kas_x": True}, {"gitaly-feature-mep-mep": "false"}),
    ],
)
def test_gitalys_feature_flags_are_strings(shell: Client, key: SSHKey, flags: dict[str, Any], features: dict[str, str]) -> None:
    """Allowed 10.2 #13, #14; gitlab-shell 0.5."""
    change_instance(feature_flags=flags)
    assert post(shell, key_id=11).json()["gitaly"]["features"] == features


@pytest.mark.parametrize(
    ("env", "directory", "alternates"),
    [
        (json.dumps({"GIT_OBJECT_DIRECTORY_RELATIVE": "objects/in-1", "GIT_ALTERNATE_OBJECT_DIRECTORIES_RELATIVE": ["objects"]}),
         "objects/in-1", ["objects"]),
        (json.dumps({"GIT_OBJECT_DIRECTORY_RELATIVE": "", "GIT_ALTERNATE_OBJECT_DIRECTORIES_RELATIVE": None}), "", []),
        (json.dumps({"GIT_OBJECT_DIRECTORY_RELATIVE": 7, "LD_PRELOAD": "evil"}), "", []),
        *[(text, "", []) for text in ("", "null", "not json", "[]", "[" * 100_000)],
    ],
)  # fmt: skip
def test_the_quarantine_travels_back(shell: Client, key: SSHKey, env: str, directory: str, alternates: list[str]) -> None:
    """Gitaly 6 #34, #35."""
    repository = post(shell, key_id=11, env=env).json()["gitaly"]["repository"]
    assert (repository["git_object_directory"], repository["git_alternate_object_directories"]) == (directory, alternates)


def encoded(value: str | bytes) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


@pytest.mark.parametrize(
    ("context", "status", "message"),
    [
        pytest.param(encoded("[]"), 400, "400 Bad request - Decoded gitaly_client_context_bin is not a valid JSON object", id="10.3 #61"),
        pytest.param(encoded(b"\0"), 400, "400 Bad request - malformed gitaly_client_context_bin", id="10.3 #62"),
        pytest.param("%%%", 400, "400 Bad request - malformed gitaly_client_context_bin", id="not base64"),
        pytest.param(encoded('{"scoped-user-id": 99}'), 404, "404 User ID 99 not found Not Found", id="an unknown human"),
        pytest.param(encoded('{"scoped-user-id": "99"}'), 404, "404 User ID 99 not found Not Found", id="an unknown human, as a text"),
    ],
)
def test_a_context_that_cannot_be_used(shell: Client, key: SSHKey, context: str, status: int, message: str) -> None:
    """Allowed 1.3."""
    response = post(shell, key_id=11, gitaly_client_context_bin=context)
    assert (response.status_code, response.json()) == (status, {"message": message})


def test_a_context_that_can(shell: Client, key: SSHKey) -> None:
    for context in ("{}", '{"skip-ci": true}', json.dumps({"scoped-user-id": key.user_id})):
        assert post(shell, key_id=11, gitaly_client_context_bin=encoded(context)).status_code == 200


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"protocol": None}, "protocol is missing"),
        ({"project": None}, "project and gl_repository are missing"),
        ({"action": "git-receive-pack", "changes": None}, "changes is missing"),
        ({"changes": ""}, "changes is blank."),
        ({"changes": "\r\n\n"}, "changes is blank."),
        ({"changes": f"{ZEROS} {ID}"}, "Line 1 of changes is not an old revision, a new revision and a ref."),
        ({"changes": f"{ZEROS} {ID[:39]} refs/heads/a"}, "Line 1 of changes is not an old revision, a new revision and a ref."),
        ({"changes": f"\n{ZEROS} {ZEROS} refs/heads/a"}, "Line 2 of changes has two blank revisions."),
        ({"changes": f"{ZEROS} {'a' * 64} refs/heads/a"}, "Line 1 of changes has revisions of two lengths."),
        ({"changes": 7}, "changes must be a list of strings"),
        ({"changes": {"a": 1}}, "changes must be a list of strings"),
    ],
)
def test_questions_that_cannot_be_answered(shell: Client, key: SSHKey, values: dict[str, Any], message: str) -> None:
    """Gitaly 6 #40, #41; decisions 2, 10a."""
    response = post(shell, key_id=11, **values)
    assert (response.status_code, response.json()["message"]) == (400, f"400 Bad request - {message}")


def test_unknown_fields_are_ignored(shell: Client, key: SSHKey) -> None:
    """Gitaly 6 #44; gitlab-shell 5 #17."""
    assert post(shell, key_id=11, push_options=["a"], future={"x": [1]}, relative_path="@hashed/x.git").status_code == 200


def test_using_a_key_is_noted_once_a_day_allowed_or_not(shell: Client, key: SSHKey) -> None:
    """Allowed 2.4."""
    post(shell, key_id=11, project="acme/nothing")
    first = SSHKey.objects.get().last_used_at
    assert first is not None
    post(shell, key_id=11)
    assert SSHKey.objects.get().last_used_at == first
    SSHKey.objects.update(last_used_at=timezone.now() - timedelta(days=1, minutes=1))
    post(shell, key_id=11)
    assert (SSHKey.objects.get().last_used_at or first) > first


def test_a_pull_is_activity_a_push_or_a_refusal_is_not(shell: Client, key: SSHKey, ann: User) -> None:
    """Allowed 4.2 step 7."""
    post(shell, key_id=11, action="git-receive-pack")
    post(shell, key_id=11, project="acme/nothing")
    ann.refresh_from_db()
    assert ann.last_activity_on is None
    post(shell, key_id=11)
    ann.refresh_from_db()
    assert ann.last_activity_on == timezone.now().date()


def test_a_refusal_of_somebody_known_is_kept(shell: Client, key: SSHKey, rockets: Project) -> None:
    """Decisions 25: a stranger leaves nothing behind, and an allowed pull neither."""
    post(shell, key_id=999, project="acme/nothing")
    post(shell, key_id=11)
    assert not Refusal.objects.exists()
    post(shell, key_id=11, action="git-receive-pack", project="acme/nothing")
    refusal = Refusal.objects.get()
    assert (refusal.username, refusal.key_id, refusal.reason, refusal.action) == ("ann", 11, "project_not_found", "git-receive-pack")


def test_a_stranger_learns_nothing(stranger: Client, key: SSHKey) -> None:
    """Allowed 1.2: the body has no `status`, and is not even read."""
    response = stranger.post(PATH, b"{not json", content_type="application/json")
    assert (response.status_code, response.json()) == (401, {"message": "401 Unauthorized"})


def test_a_get_is_not_allowed(shell: Client, db: None) -> None:
    """Gitaly 6 #13."""
    response = shell.get(PATH)
    assert (response.status_code, response.json()["message"], response["Allow"]) == (405, "405 Not Allowed", "POST")


@pytest.mark.parametrize("crowd", [10, 10_000])
def test_an_allowed_pull_is_one_statement_however_large_the_crowd(
    shell: Client,
    key: SSHKey,
    rockets: Project,
    crowd: int,
    django_assert_num_queries: DjangoAssertNumQueries,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    """Ten and thousands of members and keys: the same statement. A former path is two, and the message for the next push, without a Redis, one more."""
    fill(rockets, crowd)
    add_redirect(rockets, "old/place")
    post(shell, key_id=11)
    with django_assert_num_queries(1):
        assert post(shell, key_id=11).status_code == 200
    with django_assert_num_queries(1):
        assert post(shell, key_id=11, action="git-receive-pack").status_code == 200
    with django_assert_num_queries(1):
        assert post(shell, key_id=11, project="acme/rockets.wiki").status_code == 200
    with django_assert_max_num_queries(3):
        assert post(shell, key_id=11, project="old/place").status_code == 200


def fill(project: Project, crowd: int) -> None:
    """Members of the project and of its group, each with a key."""
    users = User.objects.bulk_create(
        User(username=f"user{n}", name="User", email=f"user{n}@example.com", password="!") for n in range(crowd)
    )
    Member.objects.bulk_create(Member(user=user, project=project, access_level=30) for user in users)
    Member.objects.bulk_create(Member(user=user, namespace=project.namespace, access_level=20) for user in users)
    SSHKey.objects.bulk_create(
        SSHKey(user=user, title="key", key="ssh-ed25519 A", key_type="ssh-ed25519", bits=256, fingerprint=f"{user.pk:043}")
        for user in users
    )
