"""Every command that changes something leaves events that say so; those that only read write nothing."""

import json
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest
import yaml
from django.core.management import CommandError, call_command, get_commands
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_tasks.base import TaskResultStatus
from django_tasks_db.models import DBTaskResult

import manage
from accounts.models import SSHKey, User
from accounts.services.personal_access_tokens import create_token
from internal_api.models import AuditEvent, SharedValue
from kubernetes_agent.services.tokens import create_agent_token
from repositories.models import Project, Storage
from repositories.services.access import set_member
from repositories.services.repositories_at_gitaly import create_repository
from scim.services.tokens import rotate_token
from tests import public_keys
from tests.audit_log import held_against_the_rows
from tests.factories import AgentFactory, ProjectFactory, SSHKeyFactory
from tests.gitaly_server import FakeGitaly, running
from tests.internal_api.seeding.test_seed import COMPANY
from tests.kubernetes_agent.test_seeds_and_commands import COMPANY as CLUSTERS
from tests.scim.test_seeds_and_commands import COMPANY as PROVISIONED
from tests.test_dump_seed import RULES

OURS = {"internal_api", "accounts", "repositories", "kubernetes_agent", "scim", "storage_limits"}
READING: dict[str, list[str]] = {
    "agent_metrics": [],
    "audit_events": [],
    "backup_database": ["/nonexistent/copy.sqlite3"],
    "check_gitaly": [],
    "doctor": ["--seconds", "1"],
    "dump_seed": [],
    "explain_access": ["--user", "ann", "--project", "acme/rockets"],
    "kas_token": [],
    "list_agents": [],
    "shell_token": [],
    "webhook_test": ["http://127.0.0.1:1/"],
}
"""Commands that change nothing, and how they are asked here."""
WORKING = {"db_worker": "what it does is the worker's in the audit log, and follows from what others did"}


@pytest.fixture
def company(rockets: Project, ann: User, tmp_path: Path) -> Iterator[FakeGitaly]:
    """Something for every command to change."""
    with running(tmp_path / "storages", token="the gitaly token") as server:
        Storage.objects.update(gitaly_address=server.address, gitaly_token="the gitaly token")
        SSHKeyFactory.create(user=ann)
        set_member(rockets, ann, 30)
        create_token(user=ann, name="ci", scopes=["api"], expires_at=None)
        rotate_token(rockets.namespace)
        create_agent_token(agent=AgentFactory.create(project=rockets), name="first")
        yield server


def _expired() -> None:
    SharedValue.objects.create(key="x", expires_at=timezone.now())


def _encrypted() -> None:
    User.objects.update(otp_secret="the otp secret")


def _failed_task() -> None:
    now = timezone.now()
    DBTaskResult.objects.create(
        status=TaskResultStatus.FAILED,
        task_path="x.y",
        args_kwargs={},
        run_after=now,
        started_at=now,
        finished_at=now,
        backend_name="default",
    )


def _repository() -> None:
    call_command("create_repositories", stdout=StringIO(), stderr=StringIO())


def _left_over() -> None:
    project = ProjectFactory.create(id=999, path="sunken", namespace=Project.objects.get().namespace)
    create_repository(project)
    project.delete()


def _block() -> None:
    User.objects.filter(username="ann").update(state="banned", blocked_by="administrator")


Call = tuple[list[str], list[str]]
CHANGING: dict[str, tuple[list[Call], tuple[str, ...], Callable[[], None] | None]] = {
    "add_member": ([(["acme", "ann", "maintainer"], ["member_created"]), (["acme", "ann", "owner"], ["member_changed"])], (), None),
    "add_ssh_key": ([(["ann", public_keys.RSA_2048], ["ssh_key_created"])], (), None),
    "block_user": ([(["ann"], ["user_blocked"]), (["ann"], [])], (), None),
    "clean_up": ([([], ["expired_rows_removed"])], ("expired_rows_removed",), _expired),
    "create_agent": ([(["acme/rockets", "staging"], ["agent_created"])], (), None),
    "create_agent_token": (
        [(["acme/rockets", "production", "second"], ["agent_token_created"]),
         (["acme/rockets", "production", "second", "--revoke"], ["agent_token_revoked"])], (), None,
    ),
    "create_group": ([(["acme/tools"], ["namespace_created"])], (), None),
    "create_personal_access_token": ([(["ann", "second", "--scope", "api"], ["personal_access_token_created"])], (), None),
    "create_project": (
        [(["acme/boats"], ["project_created", "project_repository_created"]), (["acme/rafts", "--without-repository"], ["project_created"])],
        ("project_repository_created",), None,
    ),
    "create_repositories": ([([], ["project_changed", "project_repository_created"])], ("project_repository_created",), None),
    "create_scim_token": ([([], ["scim_token_created"]), (["--group", "acme"], ["scim_token_rotated", "saml_provider_created"])], (), None),
    "create_user": ([(["bob", "--email", "bob@example.com"], ["user_created"])], (), None),
    "createsuperuser": ([(["--noinput", "--username", "boss", "--email", "boss@example.com"], ["user_created"])], (), None),
    "delete_project": ([(["acme/rockets", "--confirm", "acme/rockets"], ["project_removed"])], (), None),
    "disable_two_factor": ([(["ann"], ["two_factor_disabled"])], (), _encrypted),
    "enable_two_factor": ([(["ann"], ["two_factor_enabled"])], (), None),
    "move_project": ([(["acme/rockets", "acme/boats"], ["project_changed", "redirect_route_created"])], (), None),
    "protect_branch": (
        [(["acme/rockets", "main"], ["protected_branch_created", "protected_ref_grant_created", "protected_ref_grant_created"])], (), None,
    ),
    "remove_member": ([(["acme/rockets", "ann"], ["member_removed"])], (), None),
    "remove_repository": (
        [(["project-999", "--storage", "default"], ["repository_removed"]), (["project-999", "--storage", "default"], [])],
        ("repository_removed",), _left_over,
    ),
    "retry_tasks": ([([], ["tasks_retried"]), ([], [])], ("tasks_retried",), _failed_task),
    "revoke_key": ([(["{key}"], ["ssh_key_removed"])], (), None),
    "revoke_token": ([(["--user", "ann", "--name", "ci"], ["personal_access_token_revoked"])], (), None),
    "rotate_encryption": ([([], ["encryption_rotated"])], ("encryption_rotated",), None),
    "seed": ([(["{seed}", "--rows-only"], ["user_changed", "user_created"]), (["{seed}", "--rows-only"], [])], (), None),
    "set_default_branch": ([(["acme/rockets", "trunk"], ["project_changed"])], (), _repository),
    "unblock_user": ([(["ann"], ["user_unblocked"])], (), _block),
}  # fmt: skip
"""For each command the calls that are made here, the actions each leaves, those that are about no row, and what is done before."""


def test_every_command_is_held_against_the_log() -> None:
    ours = {name for name, app in get_commands().items() if str(app) in OURS}
    assert ours == {*READING, *WORKING, *CHANGING}
    assert len(ours) > 30


@pytest.mark.parametrize("command", CHANGING)
def test_what_a_command_changes_is_told(command: str, company: FakeGitaly, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "198.51.100.9 50000 10.0.0.1 22")
    document = {"users": [{"username": "ann", "name": "Ann Other", "password": "the later password"}, {"username": "bob"}]}
    (tmp_path / "seed.json").write_text(json.dumps(document))
    calls, besides, prepare = CHANGING[command]
    if prepare:
        prepare()
    key = SSHKey.objects.get().pk
    for arguments, actions in calls:
        given = [argument.format(key=key, seed=tmp_path / "seed.json") for argument in arguments]
        with held_against_the_rows(besides=tuple(action for action in besides if action in actions)) as told:
            call_command(command, *given, stdout=StringIO(), stderr=StringIO())
        assert sorted(told.actions) == sorted(actions)
        for event in told.events:
            assert (event.actor_kind, event.operation, event.author_id, event.author_name) == ("command", command, None, "")
            assert event.credential.startswith("OS user ")
            assert event.ip_address == "198.51.100.9"
        assert len({event.correlation_id for event in told.events} - {""}) == bool(told.events)


@pytest.mark.parametrize("command", READING)
def test_a_command_that_reads_writes_nothing(command: str, company: FakeGitaly) -> None:
    before = AuditEvent.objects.count()
    with CaptureQueriesContext(connection) as captured:
        try:
            call_command(command, *READING[command], stdout=StringIO(), stderr=StringIO())
        except (CommandError, SystemExit):
            # nobody listens, the stand-in has its own secret, and a database in memory is no file
            assert command in {"webhook_test", "doctor", "check_gitaly", "backup_database"}
    written = [query["sql"] for query in captured.captured_queries if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    assert written == []
    assert AuditEvent.objects.count() == before


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("create_user", ["ann", "--email", "other@example.com"]),
        ("create_group", ["acme"]),
        ("add_ssh_key", ["ann", public_keys.ED25519]),
        ("create_project", ["acme/rockets"]),
        ("seed", ["{seed}"]),
    ],
)
def test_a_command_that_fails_leaves_no_event(command: str, arguments: list[str], company: FakeGitaly, tmp_path: Path) -> None:
    document = {"users": [{"username": "bob"}], "groups": [{"path": "tools", "members": {"nobody": "owner"}}]}
    (tmp_path / "seed.json").write_text(json.dumps(document))
    with held_against_the_rows() as told, pytest.raises(CommandError):
        call_command(command, *[argument.format(seed=tmp_path / "seed.json") for argument in arguments], stdout=StringIO())
    assert told.events == []
    assert not User.objects.filter(username="bob").exists()


def test_whole_seed_files_are_told_row_by_row(db: None, tmp_path: Path) -> None:
    """Together they have every section and key."""
    actions: set[str] = set()
    for number, document in enumerate((COMPANY, RULES, CLUSTERS, PROVISIONED)):
        path = tmp_path / f"{number}.yaml"
        path.write_text(yaml.safe_dump(document))
        for changes in (True, False):
            with held_against_the_rows(in_steps=True) as told:
                call_command("seed", str(path), "--rows-only", stdout=StringIO(), stderr=StringIO())
            assert bool(told.events) is changes
            actions.update(told.actions)
    assert len(actions) > 20


def test_djangos_own_commands_are_told_too(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """`manage.py changepassword` says by itself who it is."""

    def changes(arguments: list[str]) -> None:
        ann.set_password("the later password")
        ann.save()

    monkeypatch.setattr(manage, "execute_from_command_line", changes)
    monkeypatch.setattr("sys.argv", ["manage.py", "changepassword", "ann"])
    with held_against_the_rows() as told:
        manage.main()
    assert [(event.action, event.actor_kind, event.operation) for event in told.events] == [("user_changed", "command", "changepassword")]
