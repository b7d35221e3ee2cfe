"""How often /allowed may be asked (contract: allowed 8.3, decisions 4b and 10a), and who shows bad tokens."""

import time
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import SSHKey, User
from internal_api import rate_limits
from internal_api import refused_peers as refused_peers_module
from internal_api.models import InstanceSettings, RefusedPeer
from internal_api.peers import peer_of
from internal_api.refused_peers import MOST_ADDRESSES, RefusedPeers, refused_peers
from internal_api.shared_store import SharedStoreError
from repositories.models import Namespace, Project
from repositories.services.access import grant_deploy_key, set_member
from repositories.services.projects import add_redirect
from tests.factories import DeployKeyFactory, ProjectFactory, SSHKeyFactory, UserFactory
from tests.statements import at_most


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands in a minute of long ago, so that no test crosses into the next."""
    now = [1_700_000_030.0 + time.monotonic_ns() % 10_000 * 60]
    monkeypatch.setattr(rate_limits, "time", type("Clock", (), {"time": staticmethod(lambda: now[0])}))
    return now


@pytest.fixture
def key(ann: User, rockets: Project, store: Any) -> SSHKey:
    InstanceSettings(gitlab_shell_operation_limit=3).save()
    set_member(rockets, ann, 30)
    return SSHKeyFactory.create(user=ann)


def ask(shell: Client, peer: str = "127.0.0.1", **who: Any) -> Any:
    question = {"project": "acme/rockets", "action": "git-upload-pack", "changes": "_any", "protocol": "ssh", **who}
    return shell.post("/api/v4/internal/allowed", question, content_type="application/json", REMOTE_ADDR=peer)


def test_the_fourth_question_of_a_minute_is_too_many(shell: Client, key: SSHKey, still: list[float]) -> None:
    assert [ask(shell, key_id=key.pk).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    refused = ask(shell, key_id=key.pk)
    assert refused.json() == {"message": "This endpoint has been requested too many times. Try again later."}
    assert refused["Retry-After"] == "7"
    still[0] += 60
    assert ask(shell, key_id=key.pk).status_code == 200


@pytest.mark.parametrize(
    ("seconds_left", "told", "silent", "served"),
    [
        (60.0, 7, 14, False),
        (14.1, 7, 14, False),
        (14.0, 7, 14, True),
        (9.5, 7, 10, True),
        (7.0, 7, 7, True),
        (2.3, 3, 3, True),
        (0.1, 1, 1, True),
    ],
)
def test_a_limited_gitlab_sshd_is_served_as_soon_as_its_minute_ends(
    shell: Client, key: SSHKey, still: list[float], seconds_left: float, told: int, silent: int, served: bool
) -> None:
    """Decisions 4b: it asks three times and obeys `Retry-After`, so it is silent for 14 s at most (gitlab-shell 1.5)."""
    still[0] += 60 - still[0] % 60 - seconds_left
    refused_at = still[0]
    assert [ask(shell, key_id=key.pk).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert ask(shell, key_id=key.pk)["Retry-After"] == str(told)
    for _ in range(2):
        still[0] += float(ask(shell, key_id=key.pk).headers.get("Retry-After", 0))
    answer = ask(shell, key_id=key.pk)
    assert (answer.status_code == 200, round(still[0] - refused_at)) == (served, silent)


def test_each_actor_action_and_project_is_counted_by_itself(shell: Client, key: SSHKey, ann: User, rockets: Project) -> None:
    deploy_key = DeployKeyFactory.create()
    grant_deploy_key(rockets, deploy_key, can_push=False)
    ways: list[dict[str, Any]] = [
        {"key_id": key.pk},
        {"user_id": ann.pk},
        {"key_id": deploy_key.pk},
        {"key_id": key.pk, "action": "git-upload-archive"},
        {"key_id": key.pk, "project": "acme/nothing"},
        {},
    ]
    for way in ways:
        assert 429 not in {ask(shell, **way).status_code for _ in range(3)}, way
        assert ask(shell, **way).status_code == 429, way


SPELLINGS = ["acme/rockets", "/acme/rockets", "acme/rockets/", "acme/rockets.git", "/acme/rockets.git/", "ACME/Rockets", "old/rockets"]


def test_a_project_is_counted_whatever_it_is_called(shell: Client, key: SSHKey, rockets: Project) -> None:
    """Contract: decisions 4b. By its id, so former paths and `gl_repository` are the same project."""
    add_redirect(rockets, "old/rockets")
    InstanceSettings(gitlab_shell_operation_limit=len(SPELLINGS)).save()
    assert {ask(shell, key_id=key.pk, project=spelling).status_code for spelling in SPELLINGS} == {200}
    assert {ask(shell, key_id=key.pk, project=spelling).status_code for spelling in SPELLINGS} == {429}
    assert ask(shell, key_id=key.pk, project="acme/rockets.wiki").status_code == 429
    assert ask(shell, key_id=key.pk, gl_repository=f"project-{rockets.pk}").status_code == 429


@pytest.mark.parametrize("name", ["hidden", "nothing"])
def test_what_an_actor_may_not_know_of_is_counted_by_its_path(shell: Client, key: SSHKey, acme: Namespace, name: str) -> None:
    """A project that is hidden is counted like one that is missing: its other names are other buckets."""
    eve = UserFactory.create(username="eve")
    project = ProjectFactory.create(path="hidden", namespace=acme)
    add_redirect(project, "old/hidden")
    spellings = [f"acme/{name}", f"/acme/{name}.git", f"ACME/{name.title()}/"]
    assert {ask(shell, user_id=eve.pk, project=spelling).status_code for spelling in spellings} == {404}
    assert {ask(shell, user_id=eve.pk, project=spelling).status_code for spelling in spellings} == {429}
    assert ask(shell, user_id=eve.pk, project=f"old/{name}").status_code == 404
    assert ask(shell, user_id=eve.pk, gl_repository=f"project-{project.pk if name == 'hidden' else 99}").status_code == 404


def test_an_address_has_a_bucket_of_its_own_unless_it_stands_for_many(shell: Client, key: SSHKey, ann: User, settings: Settings) -> None:
    """One sshd is one peer for everybody, and a unix socket has no address."""
    Project.objects.update(visibility="public")
    for who in ({"key_id": key.pk}, {"user_id": ann.pk}):
        assert ask(shell, peer="10.0.0.9", **who).status_code == 200
    settings.TRUSTED_ADDRESSES = ["10.0.0.0/8"]
    assert ask(shell, peer="10.0.0.9", user_id=ann.pk).status_code == 200
    settings.TRUSTED_ADDRESSES = []
    assert ask(shell, peer="10.0.0.9", user_id=ann.pk).status_code == 200
    assert ask(shell, peer="10.0.0.9").status_code == 429, "nobody has asked before, but this address has"
    assert ask(shell, peer="").status_code == 200


def test_nought_switches_it_off_and_costs_no_statement(shell: Client, key: SSHKey) -> None:
    InstanceSettings(gitlab_shell_operation_limit=0).save()
    ask(shell, key_id=key.pk)
    with at_most(1):
        assert {ask(shell, key_id=key.pk).status_code for _ in range(1)} == {200}
    assert {ask(shell, key_id=key.pk).status_code for _ in range(20)} == {200}


def test_pushes_themselves_are_not_counted(shell: Client, key: SSHKey, rockets: Project) -> None:
    for _ in range(6):
        assert shell.post("/api/v4/internal/pre_receive", {"gl_repository": f"project-{rockets.pk}"}).status_code == 200


def test_while_redis_is_away_each_process_counts_for_itself(
    shell: Client, key: SSHKey, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise SharedStoreError("away")

    settings.REDIS_URL = settings.REDIS_URL or "redis://127.0.0.1:1/0"
    monkeypatch.setattr(rate_limits, "shared_store", away)
    statuses = [ask(shell, key_id=key.pk).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]


def test_a_parameter_of_any_length_makes_a_short_key(shell: Client, key: SSHKey) -> None:
    assert ask(shell, key_id=key.pk, project="a/" + "b" * 100_000).status_code == 404


@pytest.mark.parametrize(
    ("direct", "forwarded", "peer"),
    [
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "8.8.8.8", "10.0.0.1"),
        ("127.0.0.1", "8.8.8.8", "8.8.8.8"),
        ("", "8.8.8.8", "8.8.8.8"),
        ("127.0.0.1", "1.1.1.1, 8.8.8.8", "8.8.8.8"),
        ("127.0.0.1", "8.8.8.8, nonsense", "127.0.0.1"),
        ("127.0.0.1", "6.6.6.6, 8.8.8.8, 127.0.0.1", "8.8.8.8"),
        ("127.0.0.1", "127.0.0.2, 127.0.0.3", "127.0.0.2"),
        ("127.0.0.1", "8.8.8.8, " + "127.0.0.2, " * 20 + "127.0.0.3", "127.0.0.2"),
        ("127.0.0.1", "2001:DB8::1", "2001:db8::1"),
        ("127.0.0.1", "1.2.3.4:55", "1.2.3.4"),
        ("127.0.0.1", '"1.2.3.4:55"', "1.2.3.4"),
        ("127.0.0.1", "[2001:db8::1]", "2001:db8::1"),
        ("127.0.0.1", "[2001:db8::1]:80", "2001:db8::1"),
        ("127.0.0.1", '"[2001:db8::1]:80"', "2001:db8::1"),
        ("127.0.0.1", "6.6.6.6:1, 1.2.3.4:55, 127.0.0.1:80", "1.2.3.4"),
        ("127.0.0.1", "1.2.3.4:port", "127.0.0.1"),
        ("127.0.0.1", "1.2.3.4:555555", "127.0.0.1"),
        ("127.0.0.1", "[1.2.3.4", "127.0.0.1"),
        ("127.0.0.1", '"', "127.0.0.1"),
        ("127.0.0.1", "unknown", "127.0.0.1"),
        ("127.0.0.1", "1.2.3.4 5", "127.0.0.1"),
    ],
)
def test_only_a_trusted_peer_may_say_for_whom_it_asks(direct: str, forwarded: str | None, peer: str) -> None:
    meta = {"REMOTE_ADDR": direct} | ({"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {})
    assert peer_of(meta) == peer


def bad_token(stranger: Client, peer: str) -> int:
    headers = {"gitlab-shell-api-request": "x"}
    return int(stranger.get("/api/v4/internal/check", headers=headers, REMOTE_ADDR=peer).status_code)


def test_bad_tokens_are_counted_by_address(stranger: Client, db: None) -> None:
    refused_peers.flush()
    assert {bad_token(stranger, "10.0.0.1") for _ in range(3)} == {401}
    refused_peers.flush()
    assert bad_token(stranger, "10.0.0.2") == 401
    told = dict(RefusedPeer.objects.values_list("address", "number"))
    assert (told["10.0.0.1"], told["10.0.0.2"]) == (3, 1)


def test_a_thousand_bad_tokens_cost_hardly_a_statement_and_no_good_one_waits(
    shell: Client, stranger: Client, key: SSHKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused_peers.flush()
    bad_token(stranger, "10.0.0.1")
    monkeypatch.setattr(refused_peers_module, "SECONDS", 3600.0)  # of which they are told once, however slow the machine is
    InstanceSettings(gitlab_shell_operation_limit=0).save()
    ask(shell, key_id=key.pk)
    with at_most(1):
        for number in range(1000):
            bad_token(stranger, f"10.0.{number // 250}.{number % 250}")
        assert ask(shell, key_id=key.pk).status_code == 200


def test_many_addresses_are_told_together(db: None) -> None:
    counting = RefusedPeers()
    counting.count("10.9.9.9", "gitlab-shell")
    for number in range(MOST_ADDRESSES * 3):
        counting.count(f"10.0.{number // 250}.{number % 250}", "gitlab-shell")
    counting.flush()
    counting.count("10.9.9.9", "gitlab-shell")
    assert RefusedPeer.objects.count() <= MOST_ADDRESSES + 2
    assert RefusedPeer.objects.get(address="others").number > MOST_ADDRESSES
