"""Two at once, with real threads on PostgreSQL: whatever has a natural key is made once, and nobody slips between a check and a change."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from typing import Any

import pyotp
import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.errors import CommandRefusedError
from accounts.models import PersonalAccessToken, SSHKey, User
from accounts.services.personal_access_tokens import create_token
from accounts.services.second_factor import check_otp, consume_recovery_code, generate_recovery_codes
from accounts.services.ssh_keys import add_deploy_key, add_user_key, revoke_key
from accounts.services.users import create_user, ghost_user, set_extra_emails
from internal_api.errors import DomainError
from internal_api.models import InstanceSettings
from internal_api.service_secrets import service_secrets
from internal_api.service_tokens import SHELL
from kubernetes_agent.models import Agent, AgentToken
from kubernetes_agent.services.tokens import create_agent, create_agent_token
from repositories.errors import LastOwnerError
from repositories.models import (
    DeployKeyGrant,
    GroupLink,
    GroupSSHCertificate,
    Member,
    Namespace,
    PendingPush,
    Project,
    ProtectedBranch,
    ProtectedTag,
    PushEvent,
    RedirectRoute,
    Route,
    Storage,
)
from repositories.policy.repository_path import relative_path
from repositories.services import pushes
from repositories.services.access import grant_deploy_key, leave_group, set_member, share_with
from repositories.services.certificates import add_certificate_authority, set_enterprise_group
from repositories.services.default_branch import note_default_branch
from repositories.services.namespaces import create_group
from repositories.services.project_deletion import delete_project
from repositories.services.projects import add_redirect, create_project
from repositories.services.protected_refs import protect_branch, protect_tag
from scim.models import SCIMToken, Scope
from scim.services.tokens import rotate_token, scope_of
from storage_limits.models import LimitExclusion
from storage_limits.services.exclusions import exclude
from tests import public_keys
from tests.factories import DeployKeyFactory, GroupFactory, ProjectFactory, SSHKeyFactory, StorageFactory, UserFactory
from tests.gitaly_server import FakeGitaly, running

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]
THREADS = 6
GUARD = 60
"""Seconds after which a test that hangs fails."""


def at_once(step: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """What each thread got, or the error of ours that it was told; anything else is a failure."""
    together = threading.Barrier(threads)

    def run(number: int) -> Any:
        try:
            together.wait(GUARD)
            return step(number)
        except DomainError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


class World:
    """What the makers below start from."""

    def __init__(self) -> None:
        StorageFactory.create()
        self.ann = UserFactory.create(username="ann")
        self.acme = GroupFactory.create(path="acme")
        self.wiley = GroupFactory.create(path="wiley")
        self.rockets = ProjectFactory.create(path="rockets", namespace=self.acme)
        self.deploy_key = DeployKeyFactory.create()
        self.agent = create_agent(project=self.rockets, name="prod")


MAKERS: dict[str, tuple[Callable[[World], object], Callable[[], int]]] = {
    "user": (lambda w: create_user(username="bob", email="bob@example.com"), lambda: User.objects.filter(username="bob").count()),
    "e-mail": (
        lambda w: create_user(username=f"u{threading.get_ident()}", email="bob@example.com"),
        lambda: User.objects.filter(email="bob@example.com").count(),
    ),
    "extra e-mail": (
        lambda w: set_extra_emails(w.ann, ["more@example.com"]),
        lambda: w_count(User, extra_emails__email="more@example.com"),
    ),
    "user's key": (
        lambda w: add_user_key(user=w.ann, key=public_keys.ED25519),
        lambda: SSHKey.objects.filter(user__username="ann").count(),
    ),
    "deploy key": (lambda w: add_deploy_key(title="x", key=public_keys.RSA_2048), lambda: SSHKey.objects.filter(title="x").count()),
    "personal token": (
        lambda w: create_token(user=w.ann, name="ci", scopes=["api"], expires_at=None, token="glpat-of-this-test"),
        PersonalAccessToken.objects.count,
    ),
    "group": (lambda w: create_group(path="new"), lambda: Route.objects.filter(path="new").count()),
    "subgroup": (lambda w: create_group(path="sub", parent=w.acme), lambda: Route.objects.filter(path="acme/sub").count()),
    "project": (lambda w: create_project(path="boats", namespace=w.acme), lambda: Project.objects.filter(path="boats").count()),
    "redirect": (lambda w: add_redirect(w.rockets, "old/rockets"), RedirectRoute.objects.count),
    "member": (lambda w: set_member(w.acme, w.ann, 30), Member.objects.count),
    "member of a project": (lambda w: set_member(w.rockets, w.ann, 30), Member.objects.count),
    "invitation": (lambda w: share_with(w.rockets, w.wiley, 30), GroupLink.objects.count),
    "deploy key's grant": (lambda w: grant_deploy_key(w.rockets, w.deploy_key, can_push=True), DeployKeyGrant.objects.count),
    "protected branch": (lambda w: protect_branch(w.rockets, "main", {"push": [40]}), ProtectedBranch.objects.count),
    "protected tag": (lambda w: protect_tag(w.rockets, "v*", {}), ProtectedTag.objects.count),
    "certificate authority": (lambda w: add_certificate_authority(w.acme, key=public_keys.RSA_4096), GroupSSHCertificate.objects.count),
    "enterprise user": (lambda w: set_enterprise_group(w.ann, w.acme), lambda: w_count(User, enterprise__group__path="acme")),
    "ghost": (lambda w: ghost_user(), lambda: User.objects.filter(user_type="ghost").count()),
    "agent": (lambda w: create_agent(project=w.rockets, name="new"), lambda: Agent.objects.filter(name="new").count()),
    "agent's token": (lambda w: create_agent_token(agent=w.agent, name="t", token="glagent-of-this"), AgentToken.objects.count),
    "SCIM scope": (lambda w: scope_of(w.acme), Scope.objects.count),
    "SCIM token": (lambda w: rotate_token(None), SCIMToken.objects.count),
    "exclusion": (lambda w: exclude(w.acme, "for testing reasons"), LimitExclusion.objects.count),
    "settings": (lambda w: InstanceSettings().save(), InstanceSettings.objects.count),
}


def w_count(model: Any, **where: Any) -> int:
    return int(model.objects.filter(**where).count())


@pytest.mark.parametrize("what", MAKERS)
def test_of_six_who_make_the_same_at_once_there_is_one_in_the_end(what: str) -> None:
    make, count = MAKERS[what]
    world = World()
    found = at_once(lambda _: make(world))
    assert count() == 1
    assert any(not isinstance(one, DomainError) for one in found)


def test_of_two_owners_who_leave_at_once_one_stays() -> None:
    for number in range(5):
        group = create_group(path=f"g{number}")
        owners = [UserFactory.create(username=f"owner{number}{name}") for name in "ab"]
        for owner in owners:
            set_member(group, owner, 50)
        found = at_once(lambda index: leave_group(group, owners[index]), threads=2)  # noqa: B023  finished before the next round
        assert Member.objects.filter(namespace=group, access_level=50).count() == 1
        assert sum(isinstance(one, LastOwnerError) for one in found) == 1


def test_an_agent_has_two_active_tokens_at_most() -> None:
    agent = World().agent
    at_once(lambda number: create_agent_token(agent=agent, name=f"t{number}"))
    assert AgentToken.objects.filter(agent=agent, status="active").count() == 2


def test_a_scim_token_can_be_used_all_the_while_it_is_rotated() -> None:
    """The former one is good for a while more, so no request falls between the two."""
    World()
    _, clear = rotate_token(None)

    def step(number: int) -> set[int]:
        if number == 0:
            rotate_token(None)
            return {200}
        caller = Client(headers={"authorization": f"Bearer {clear}"})
        return {caller.get("/api/scim/v2/application/ServiceProviderConfig").status_code for _ in range(10)}

    assert set.union(*at_once(step)) == {200}


def test_a_key_that_was_removed_opens_nothing_from_that_moment() -> None:
    world = World()
    set_member(world.acme, world.ann, 30)
    key = SSHKeyFactory.create(user=world.ann)
    InstanceSettings(gitlab_shell_operation_limit=0).save()
    removed = threading.Event()
    headers = {"gitlab-shell-api-request": SHELL.issue(service_secrets(SHELL)[0], lifetime=3600)}
    question = {"key_id": key.pk, "project": "acme/rockets", "action": "git-upload-pack", "changes": "_any", "protocol": "ssh"}

    def step(number: int) -> list[tuple[bool, int]]:
        if number == 0:
            revoke_key(key)
            removed.set()
            return []
        caller = Client(headers=headers)
        seen = []
        for _ in range(20):
            was_removed = removed.is_set()
            seen.append((was_removed, caller.post("/api/v4/internal/allowed", question, content_type="application/json").status_code))
        return seen

    seen = [one for many in at_once(step) for one in many]
    assert {status for was_removed, status in seen if was_removed} <= {401, 404}
    assert {status for _, status in seen} <= {200, 401, 404}
    assert not SSHKey.objects.filter(pk=key.pk).exists()


def test_a_one_time_password_is_good_once() -> None:
    ann = World().ann
    secret = pyotp.random_base32()
    User.objects.filter(pk=ann.pk).update(otp_secret=secret)
    ann.refresh_from_db()
    code = pyotp.TOTP(secret).now()
    found = at_once(lambda number: check_otp(User.objects.get(pk=ann.pk), None, code, ip_address=f"10.0.0.{number}"))
    assert sum(not isinstance(one, CommandRefusedError) for one in found) == 1


def test_a_recovery_code_is_good_once() -> None:
    ann = World().ann
    code = generate_recovery_codes(ann)[0]
    assert sum(bool(one) for one in at_once(lambda _: consume_recovery_code(ann, code))) == 1


def test_a_limit_and_sizes_that_change_at_once_leave_the_right_flag() -> None:
    world = World()
    Namespace.objects.filter(pk=world.acme.pk).update(storage_limit=100)
    projects = [create_project(path=f"p{number}", namespace=world.acme) for number in range(THREADS)]

    def step(number: int) -> None:
        for size in (50, 0, 30):
            project = Project.objects.get(pk=projects[number].pk)
            project.storage_size = size
            project.save()

    at_once(step)
    world.acme.refresh_from_db()
    assert world.acme.over_storage_limit is (30 * THREADS > 100)


@pytest.fixture
def gitaly(tmp_path: Path, settings: Settings) -> Iterator[FakeGitaly]:
    """With places for all threads of these tests, however slow the machine is."""
    settings.WEB_THREADS = 64
    with running(tmp_path / "storages", token="gitaly token") as server:
        yield server


def first_push(user: User, path: str) -> int:
    headers = {"gitlab-shell-api-request": SHELL.issue(service_secrets(SHELL)[0], lifetime=3600)}
    question = {"user_id": user.pk, "project": path, "action": "git-receive-pack", "changes": "_any", "protocol": "ssh"}
    return Client(headers=headers).post("/api/v4/internal/allowed", question, content_type="application/json").status_code


@pytest.mark.parametrize("path", ["ann/boats", "acme/boats"])
def test_ten_first_pushes_to_one_path_are_all_served_with_one_project(gitaly: FakeGitaly, path: str) -> None:
    """Contract: decisions 10a."""
    world = World()
    Storage.objects.update(gitaly_address=gitaly.address, gitaly_token="gitaly token")
    set_member(world.acme, world.ann, 40)
    assert at_once(lambda _: first_push(world.ann, path), threads=10) == [200] * 10
    assert Project.objects.filter(path="boats").count() == 1
    assert gitaly.calls == ["CreateRepository"]


def test_of_eight_first_pushes_a_limit_lets_one_through(gitaly: FakeGitaly) -> None:
    """Contract: decisions 10a. The others are refused and leave nothing, at Gitaly neither."""
    world = World()
    Storage.objects.update(gitaly_address=gitaly.address, gitaly_token="gitaly token")
    User.objects.filter(pk=world.ann.pk).update(projects_limit=1)
    found = at_once(lambda number: first_push(world.ann, f"ann/boats{number}"), threads=8)
    assert sorted(found) == [200] + [404] * 7
    assert Project.objects.filter(namespace__path="ann").count() == 1
    assert gitaly.calls == ["CreateRepository"]


def test_a_first_push_takes_the_project_that_a_command_makes_at_the_same_time(gitaly: FakeGitaly) -> None:
    """Commands do not lock the namespace: the loser of that race goes on with the project of the other."""
    world = World()
    Storage.objects.update(gitaly_address=gitaly.address, gitaly_token="gitaly token")
    own = Namespace.objects.get(path="ann")

    def step(number: int) -> int:
        if number % 2:
            return first_push(world.ann, "ann/boats")
        create_project(path="boats", namespace=own)
        return 200

    found = at_once(step, threads=8)
    assert [one for number, one in enumerate(found) if number % 2] == [200] * 4
    assert Project.objects.filter(path="boats").count() == 1


def post(path: str, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    answer = Client(headers=headers).post(f"/api/v4/internal/{path}", body, content_type="application/json")
    return answer.status_code, answer.json()


class Pushers:
    """Pushes of one project that are allowed and reported, one after another in each of some threads."""

    def __init__(self, world: World) -> None:
        InstanceSettings(gitlab_shell_operation_limit=0).save()
        set_member(world.acme, world.ann, 40)
        self.project, self.ann, self.ended = world.rockets, world.ann, threading.Event()

    def push(self, number: int) -> set[tuple[str, int]]:
        headers = {"gitlab-shell-api-request": SHELL.issue(service_secrets(SHELL)[0]), "x-request-id": f"pusher-{number}"}
        seen, repository = set(), f"project-{self.project.pk}"
        for round_ in itertools.count():
            last = self.ended.is_set()
            changes = f"{'0' * 40} {'a' * 40} refs/heads/b{number}-{round_}\n"
            question = {"gl_repository": repository, "action": "git-receive-pack", "changes": changes, "protocol": "ssh"}
            pushed = post("allowed", {**question, "user_id": self.ann.pk}, headers)
            report = {"gl_repository": repository, "identifier": f"user-{self.ann.pk}", "changes": changes}
            reported = post("post_receive", report, headers)
            seen |= {("allowed", pushed[0]), ("post_receive", reported[0])}
            assert reported[1] == {"messages": [], "reference_counter_decreased": True}
            if last:
                return seen
        raise AssertionError("there is always another round")


@pytest.mark.parametrize("by", ["command", "admin site"])
def test_project_is_deleted_while_pushes_are_reported_and_no_report_is_refused(gitaly: FakeGitaly, by: str) -> None:
    """Contract: decisions 16a, 16b, 16d."""
    world = World()
    Storage.objects.update(gitaly_address=gitaly.address, gitaly_token="gitaly token")
    pushers = Pushers(world)
    directory = gitaly.make(relative_path(world.rockets.pk, "project"))
    UserFactory.create(username="root", admin=True, password="correct horse battery")
    administrator = Client()
    administrator.post(reverse("admin:login"), {"username": "root", "password": "correct horse battery"})

    def step(number: int) -> set[tuple[str, int]]:
        if number:
            return pushers.push(number)
        try:
            poll(lambda: PushEvent.objects.count() >= THREADS)
            if by == "command":
                call_command("delete_project", "acme/rockets", "--confirm", "acme/rockets", stdout=StringIO())
            else:
                answer = administrator.post(reverse("admin:repositories_project_delete", args=[world.rockets.pk]), {"post": "yes"})
                assert answer.status_code == 302
        finally:
            pushers.ended.set()
        return set()

    seen = set.union(*at_once(step))
    assert {status for path, status in seen if path == "post_receive"} == {200}
    assert {status for path, status in seen if path == "allowed"} == {200, 404}
    assert not Project.objects.exists()
    assert not directory.exists()
    assert (PushEvent.objects.count(), PendingPush.objects.count()) == (0, 0)


def poll(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + GUARD
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.01)


def test_of_six_who_delete_a_project_at_once_one_does_and_the_others_are_told() -> None:
    project = World().rockets
    found = at_once(lambda _: delete_project(project))
    told = [str(one) for one in found if isinstance(one, DomainError)]
    assert told == ["The project does not exist any more: it has just been deleted."] * (THREADS - 1)


def test_deletion_waits_for_a_report_that_is_being_written_and_takes_its_event_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two lock in the same order, so that no deadlock makes the report its victim."""
    world = World()
    set_member(world.acme, world.ann, 40)
    repository = f"project-{world.rockets.pk}"
    writing = threading.Event()

    def note_slowly(*arguments: Any) -> None:
        writing.set()
        poll(deletion_waits)
        note_default_branch(*arguments)

    def step(number: int) -> int:
        if number == 0:
            headers = {"gitlab-shell-api-request": SHELL.issue(service_secrets(SHELL)[0])}
            changes = f"{'0' * 40} {'a' * 40} refs/heads/main\n"
            report = {"gl_repository": repository, "identifier": f"user-{world.ann.pk}", "changes": changes}
            return post("post_receive", report, headers)[0]
        assert writing.wait(GUARD)
        delete_project(world.rockets)
        return 204

    monkeypatch.setattr(pushes, "note_default_branch", note_slowly)
    PendingPush.objects.create(project=world.rockets, gl_repository=repository, packed_changes=b"", due_at=timezone.now())
    assert at_once(step, threads=2) == [200, 204]
    assert (Project.objects.count(), PushEvent.objects.count(), PendingPush.objects.count()) == (0, 0, 0)


def deletion_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])
