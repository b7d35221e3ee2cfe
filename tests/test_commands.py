"""The small commands of operators: what they make, and one clear line on bad input."""

import json
import os
import shlex
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import jwt
import pyotp
import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.db import connection
from django.test import Client

from accounts.models import PersonalAccessToken, SSHKey, User
from accounts.services.personal_access_tokens import create_token
from accounts.services.second_factor import consume_recovery_code, generate_recovery_codes
from internal_api.digests import token_digest
from internal_api.service_secrets import service_secrets
from internal_api.service_tokens import KAS, SHELL
from repositories.models import Member, Namespace, Project, RedirectRoute, Refusal, Route
from repositories.services.access import set_member
from tests import migrated, public_keys
from tests.factories import GroupFactory, ProjectFactory, SSHKeyFactory, StorageFactory, UserFactory
from tests.gitaly_server import running

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments: str) -> Any:
    out = StringIO()
    call_command(*arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def explained(*arguments: str) -> Any:
    """What `explain_access` prints, with its exit code."""
    out = StringIO()
    code: Any = 0
    try:
        call_command("explain_access", *arguments, "--json", stdout=out)
    except SystemExit as error:
        code = error.code
    return {**json.loads(out.getvalue()), "code": code}


def test_a_company_is_made_command_by_command(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    StorageFactory.create()
    (tmp_path / "key.pub").write_text(public_keys.ED25519)
    monkeypatch.setattr("sys.stdin", StringIO("correct horse battery\n"))
    made = run("create_user", "ann", "--email", "ann@example.com", "--admin", "--password-stdin")
    ann = User.objects.get()
    assert made == {"id": ann.pk, "username": "ann", "email": "ann@example.com", "admin": True}
    assert ann.check_password("correct horse battery")
    key = run("add_ssh_key", "Ann", str(tmp_path / "key.pub"), "--title", "laptop", "--expires-at", "2090-01-31")
    assert key == {"id": SSHKey.objects.get().pk, "title": "laptop", "fingerprint": f"SHA256:{SSHKey.objects.get().fingerprint}"}
    run("add_ssh_key", "ann", public_keys.RSA_2048)
    monkeypatch.setattr("sys.stdin", StringIO(public_keys.RSA_4096))
    run("add_ssh_key", "ann", "-")
    token = run("create_personal_access_token", "ann", "ci", "--scope", "api", "--expires-at", "2030-01-31")["token"]
    assert PersonalAccessToken.objects.get().token_digest == token_digest(token)
    assert run("create_group", "acme", "--visibility", "public")["path"] == "acme"
    assert run("create_group", "acme/tools")["path"] == "acme/tools"
    assert run("create_project", "acme/tools/rockets", "--without-repository")["path"] == "acme/tools/rockets"
    assert run("add_member", "acme/tools", "ann", "developer")["role"] == "developer"
    run("add_member", "acme/tools/rockets", "ann", "maintainer")
    assert (Namespace.objects.filter(kind="group").count(), Project.objects.count(), Member.objects.count()) == (2, 1, 2)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["create_user", "x.", "--email", "x@example.com"], "User 'x.' is not accepted"),
        (["create_user", "x", "--email", "nonsense"], "User 'x' is not accepted: email"),
        (["add_ssh_key", "nobody", public_keys.ED25519], "There is no user 'nobody'."),
        (["add_ssh_key", "ann", "/nowhere/key.pub"], "/nowhere/key.pub cannot be read"),
        (["add_ssh_key", "ann", "ssh-ed25519 AAAA"], "The key cannot be read"),
        (["add_ssh_key", "ann", public_keys.ED25519, "--expires-at", "soon"], "soon: is not a time"),
        (["add_ssh_key", "ann", public_keys.ED25519, "--expires-at", "2020-01-01"], "The key has expired already."),
        (["create_personal_access_token", "ann", "ci", "--scope", "all"], "There is no scope 'all'."),
        (["create_personal_access_token", "ann", "ci", "--scope", "api", "--expires-at", "2030-02-31"], "2030-02-31: is not a date"),
        (["create_group", "acme/tools"], "There is no group 'acme'."),
        (["create_group", "admin"], "The name is reserved."),
        (["protect_branch", "nowhere", "main"], "There is no project or group 'nowhere'."),
        (["create_project", "nowhere/x"], "There is no namespace 'nowhere'."),
        (["add_member", "nowhere", "ann", "owner"], "There is no group or project 'nowhere'."),
        (["explain_access", "--project", "ann/x", "--changes", "nonsense"], "Line 1 of changes"),
    ],
)
def test_bad_input_is_one_clear_line(ann: User, arguments: list[str], line: str) -> None:
    with pytest.raises(CommandError) as caught:
        call_command(*arguments, stdout=StringIO())
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("command", "service"), [("shell_token", SHELL), ("kas_token", KAS)])
def test_tokens_for_curl(command: str, service: Any) -> None:
    out = StringIO()
    call_command(command, stdout=out)
    assert service.verify(out.getvalue().strip(), service_secrets(service)).issuer == service.issuer
    assert jwt.get_unverified_header(out.getvalue().strip()) == {"alg": "HS256", "typ": "JWT"}


def test_each_rule_is_told_and_nothing_recorded(rockets: Project, ann: User) -> None:
    set_member(rockets, ann, 20)
    told = explained("--user", "ANN", "--project", "acme/rockets", "--action", "git-receive-pack")
    assert (told["actor"], told["role"], told["project"]) == ("ann", "reporter", "acme/rockets")
    assert told["rules"]["project_is_visible"] == "allowed"
    assert told["rules"]["actor_may_download"] == "does not apply"
    assert told["rules"]["ref_updates_are_allowed"] == "does not apply"
    assert (told["decided_by"], told["code"]) == ("actor_may_push", 1)
    assert told["rules"]["actor_may_push"] == "denied (push_not_allowed): You are not allowed to push code to this project."
    assert told["verdict"] == told["rules"]["actor_may_push"]
    assert not Refusal.objects.exists()


def test_an_explanation_for_a_key_an_id_and_nobody(rockets: Project, ann: User) -> None:
    key = SSHKeyFactory.create(user=ann)
    told = explained("--key-id", str(key.pk), "--project", f"project-{rockets.pk}")
    assert (told["actor"], told["role"]) == ("ann", "none")
    out = StringIO()
    with pytest.raises(SystemExit, match="1"):
        call_command("explain_access", "--project", "acme/rockets", stdout=out)
    assert "project_is_visible: denied (project_not_found)" in out.getvalue()


def test_an_explanation_of_a_first_push_creates_nothing(ann: User, acme: Namespace) -> None:
    """As /allowed would decide, but for making the project."""
    push = ["--user", "ann", "--action", "git-receive-pack"]
    told = explained(*push, "--project", "ann/brand-new")
    assert (told["verdict"], told["code"]) == ("the project would be created", 0)
    assert (told["project"], told["decided_by"]) == ("ann/brand-new (does not exist)", "namespace_accepts_new_project")
    assert told["rules"]["project_is_visible"] == "does not apply"
    User.objects.filter(pk=ann.pk).update(projects_limit=0)
    told = explained(*push, "--project", "ann/brand-new")
    assert (told["verdict"].split(":")[0], told["code"]) == ("denied (projects_limit_reached)", 1)
    told = explained(*push, "--project", "acme/brand-new")
    assert (told["decided_by"], told["code"]) == ("project_exists", 1)
    assert told["rules"]["actor_may_upload"] == "not reached"
    assert not Project.objects.exists()


def test_an_explanation_says_what_only_git_knows(rockets: Project, ann: User) -> None:
    set_member(rockets, ann, 40)
    run("protect_branch", "acme/rockets", "main")
    changes = f"{'1' * 40} {'2' * 40} refs/heads/main"
    told = explained("--user", "ann", "--project", "acme/rockets", "--action", "git-receive-pack", "--changes", changes)
    assert told["verdict"].startswith("only Git knows: ")
    assert told["code"] == 3
    told = explained("--user", "ann", "--project", "acme/rockets")
    assert (told["verdict"], told["decided_by"], told["code"]) == ("allowed", "no rule objects", 0)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--user", "noone"], "There is no user 'noone'."),
        (["--key-id", "999"], "There is no SSH key 999 for authentication."),
        (["--project", "no/where"], "There is no project 'no/where', and this command would not create it."),
        (["--project", "no/where", "--action", "git-receive-pack"], "There is no project 'no/where'"),
        (["--project", "project-999"], "There is no project of that id"),
        (["--project", "acme/nothing.wiki"], "There is no project 'acme/nothing.wiki'"),
        (["--protocol", "ftp"], "protocol must be one of ssh, http, web, not 'ftp'."),
        (["--check-ip", "office"], "check_ip must be an IP address, not 'office'."),
        (["--namespace-path", "nowhere"], "There is no group 'nowhere'."),
        (["--changes", f"{'0' * 40} {'1' * 40} main"], "A ref begins with refs/, as refs/heads/main does, not 'main'."),
        (["--changes", "nonsense"], "Line 1 of changes"),
    ],
)
def test_an_explanation_refuses_what_does_not_exist(rockets: Project, ann: User, arguments: list[str], line: str) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("explain_access", *(["--user", "ann"] if "--key-id" not in arguments else []), "--project", "acme/rockets", *arguments)
    assert line in str(caught.value)
    assert caught.value.returncode == 2


@pytest.mark.parametrize("url", ["/admin/repositories/project/access/"])
def test_only_administrators_are_explained_anything(ann: User, rockets: Project, url: str) -> None:
    client = Client()
    client.force_login(ann)
    response = client.get(
        url, {"ask": "Ask", "project": "acme/rockets", "action": "git-upload-pack", "protocol": "ssh", "change": "update"}
    )
    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")


def test_an_explanation_knows_the_protected_branches(rockets: Project, ann: User) -> None:
    set_member(rockets, ann, 30)
    made = run("protect_branch", "acme/rockets", "pro*", "--push", "maintainer", "--merge", "no_one")
    assert made == {"path": "acme/rockets", "name": "pro*", "push": "maintainer", "merge": "no_one", "allow_force_push": False}
    changes = f"{'0' * 40} {'1' * 40} refs/heads/prod"
    told = explained("--user", "ann", "--project", "acme/rockets", "--action", "git-receive-pack", "--changes", changes)
    expected = "denied (protected_branch_creation): You are not allowed to create protected branches on this project."
    assert told["rules"]["ref_updates_are_allowed"] == told["verdict"] == expected


def test_people_are_kept_out_and_let_in_again(ann: User) -> None:
    assert run("block_user", "ANN") == {"username": "ann", "state": "blocked", "blocked_by": "administrator", "changed": True}
    assert run("block_user", "ann")["changed"] is False
    assert run("unblock_user", "ann") == {"username": "ann", "state": "active", "changed": True}


@pytest.mark.parametrize("named", ["id", "SHA256", "MD5", "line"])
def test_a_key_is_revoked_by_whatever_names_it(ann: User, named: str) -> None:
    key = SSHKeyFactory.create(user=ann)
    SSHKeyFactory.create(user=ann, key=public_keys.RSA_2048)
    names = {"id": str(key.pk), "SHA256": f"SHA256:{key.fingerprint}", "MD5": f"MD5:{key.fingerprint_md5}", "line": public_keys.ED25519}
    assert run("revoke_key", names[named])["id"] == key.pk
    assert SSHKey.objects.get().key_type == "ssh-rsa"
    with pytest.raises(CommandError, match="There is no key"):
        run("revoke_key", names[named])


def test_tokens_are_revoked(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    _, clear = create_token(user=ann, name="found", scopes=["api"], expires_at=None)
    for name in ("ci", "ci", "other"):
        create_token(user=ann, name=name, scopes=["api"], expires_at=None)
    assert run("revoke_token", "--user", "ann", "--name", "ci") == {"revoked": 2, "tokens": ["ann/ci", "ann/ci"]}
    monkeypatch.setattr("sys.stdin", StringIO(clear + "\n"))
    assert run("revoke_token", "--stdin") == {"revoked": 1, "tokens": ["ann/found"]}
    assert run("revoke_token", "--user", "ann")["revoked"] == 1
    for arguments in (["--user", "ann", "--name", "none"], []):
        with pytest.raises(CommandError):
            run("revoke_token", *arguments)


def test_a_member_leaves_but_not_the_last_owner(rockets: Project, ann: User) -> None:
    for place in (rockets, rockets.namespace):
        set_member(place, ann, 50)
    assert run("remove_member", "acme/rockets", "ann") == {"path": "acme/rockets", "username": "ann", "removed": True}
    with pytest.raises(CommandError, match="The last owner of a group cannot be removed"):
        run("remove_member", "acme", "ann")
    set_member(rockets.namespace, UserFactory.create(username="bob"), 50)
    run("remove_member", "acme", "ann")
    for arguments, line in (
        (["acme", "ann"], "'ann' is no direct member of 'acme'"),
        (["none", "ann"], "There is no group or project 'none'"),
    ):
        with pytest.raises(CommandError, match=line):
            run("remove_member", *arguments)


def test_a_moved_project_leaves_a_redirect_and_takes_its_size_along(rockets: Project, ann: User, shell: Any) -> None:
    wiley = GroupFactory.create(path="wiley", storage_limit=10)
    Namespace.objects.filter(pk=rockets.namespace_id).update(storage_limit=10)
    rockets.storage_size = 11
    rockets.save()
    assert Namespace.objects.get(path="acme").over_storage_limit
    moved = run("move_project", "acme/rockets", "wiley/engines")
    assert moved == {"id": rockets.pk, "path": "wiley/engines", "redirect_from": "acme/rockets"}
    assert dict(Namespace.objects.filter(kind="group").values_list("path", "over_storage_limit")) == {"acme": False, "wiley": True}
    Project.objects.update(visibility="public")
    question = {"action": "git-upload-pack", "project": "acme/rockets", "protocol": "ssh", "username": "ann"}
    assert shell.post("/api/v4/internal/allowed", question).json()["gl_project_path"] == "wiley/engines"
    run("move_project", "wiley/engines", "acme/rockets")
    assert list(RedirectRoute.objects.values_list("path", flat=True)) == ["wiley/engines"]
    ProjectFactory.create(path="taken", namespace=wiley)
    for arguments, line in (
        (["acme/rockets", "wiley/taken"], "the path is taken"),
        (["acme/rockets", "acme/rockets"], "is at 'acme/rockets' already"),
        (["acme/rockets", "none/x"], "There is no namespace 'none'"),
        (["acme/rockets", "acme/-"], "is not accepted"),
        (["none/x", "acme/x"], "There is no project 'none/x'"),
    ):
        with pytest.raises(CommandError, match=line):
            run("move_project", *arguments)
    assert Route.objects.get(project=rockets).path == "acme/rockets"


def test_a_project_is_removed_with_its_repository(db: None, tmp_path: Path) -> None:
    with running(tmp_path / "storages") as gitaly:
        StorageFactory.create(gitaly_address=gitaly.address)
        GroupFactory.create(path="acme")
        made = run("create_project", "acme/engines")
        run("create_project", "acme/wings")
        assert len(list((tmp_path / "storages").rglob("HEAD"))) == 2
        with pytest.raises(CommandError, match="differ; nothing was removed"):
            run("delete_project", "acme/engines", "--confirm", "acme/wings")
        removed = run("delete_project", "acme/engines", "--confirm", "acme/engines")
        assert removed == {"id": made["id"], "path": "acme/engines", "repository_removed": True}
        assert len(list((tmp_path / "storages").rglob("HEAD"))) == 1
    with pytest.raises(CommandError, match="The repository cannot be removed at the moment"):
        run("delete_project", "acme/wings", "--confirm", "acme/wings")
    assert Project.objects.get().path == "wings"
    assert run("delete_project", "acme/wings", "--confirm", "acme/wings", "--keep-repository")["repository_removed"] is False
    assert not Route.objects.filter(path__startswith="acme/").exists()


def test_a_user_is_enrolled_for_the_second_factor(ann: User) -> None:
    """The address is the one an authenticator reads; the terminal shows it as a QR code too."""
    out = StringIO()
    call_command("enable_two_factor", "ann", stdout=out)
    uri = next(line.removeprefix("uri: ") for line in out.getvalue().splitlines() if line.startswith("uri: "))
    assert "█" in out.getvalue()
    ann.refresh_from_db()
    parsed = pyotp.parse_uri(uri)
    assert isinstance(parsed, pyotp.TOTP)
    assert (parsed.secret, parsed.name, parsed.issuer) == (ann.otp_secret, "ann", "Git localhost")
    with connection.cursor() as cursor:
        cursor.execute("SELECT otp_secret FROM accounts_user WHERE id = %s", [ann.pk])
        assert parsed.secret not in cursor.fetchone()[0]
    with pytest.raises(CommandError, match="'ann' has a second factor already"):
        run("enable_two_factor", "ann")
    codes = generate_recovery_codes(ann)
    assert run("enable_two_factor", "ann", "--replace")["uri"] != uri
    assert not consume_recovery_code(ann, codes[0])
    assert run("disable_two_factor", "ann") == {"username": "ann", "disabled": True}
    assert run("disable_two_factor", "ann") == {"username": "ann", "disabled": False}


def test_projects_get_their_repositories_at_gitaly(db: None, tmp_path: Path) -> None:
    with running(tmp_path / "storages") as gitaly:
        document = tmp_path / "seed.yaml"
        document.write_text(
            f"storages: [{{name: default, gitaly_address: '{gitaly.address}'}}]\ngroups: [{{path: acme}}]\nprojects: [{{id: 7, path: acme/rockets}}]\n"
        )
        for options, outcome in (([], "repositories: 1 created"), ([], "Nothing"), (["--create-repositories"], "Nothing")):
            out = StringIO()
            call_command("seed", str(document), *options, stdout=out)
            assert outcome in out.getvalue()
        run("create_project", "acme/engines")
        assert len(list((tmp_path / "storages").rglob("HEAD"))) == 2
    with pytest.raises(CommandError, match="The repository cannot be created at the moment"):
        run("create_project", "acme/wings")
    assert not Project.objects.filter(path="wings").exists()


OURS = sorted(
    name
    for name, app in get_commands().items()
    if str(app).split(".")[0] in {"internal_api", "accounts", "repositories", "kubernetes_agent", "scim"}
)


@pytest.mark.parametrize("name", OURS)
def test_the_help_of_every_command_ends_with_an_example_that_it_would_understand(name: str) -> None:
    command = load_command_class(str(get_commands()[name]), name)
    assert command.help
    parser = command.create_parser("manage.py", name)
    assert parser.epilog is not None
    assert name in parser.epilog
    arguments = parser.epilog.partition(f"manage.py {name}")[2].partition(")")[0].partition(" > ")[0]
    parser.parse_args(shlex.split(arguments))


def test_there_are_commands() -> None:
    assert {"doctor", "seed", "db_worker", "create_user", "create_scim_token", "agent_metrics", "webhook_test"} <= set(OURS)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["create_group", "a/b/c"], "CommandError: "),
        (["audit_events"], "OperationalError: no such table"),
        (["seed", "no-such-file.yaml"], "CommandError: "),
    ],
)
def test_an_error_is_one_line_on_standard_error(tmp_path: Path, arguments: list[str], line: str) -> None:
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3"}
    if arguments[0] != "audit_events":
        migrated.sqlite(tmp_path / "db.sqlite3")
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments], check=False, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1


def test_commands_and_options_are_completed() -> None:
    script = "source deploy/completion.bash; COMP_WORDS=({python} manage.py {words}); COMP_CWORD={last}; _control_plane_python_completion {python}; echo ${{COMPREPLY[@]}}"
    for words, wanted in (("doct", "doctor"), ("doctor --sec", "--secret-file=")):
        text = script.format(python=sys.executable, words=words, last=1 + len(words.split()))
        done = subprocess.run(["bash", "-c", text], cwd=ROOT, capture_output=True, text=True, check=True)
        assert wanted in done.stdout.split()
