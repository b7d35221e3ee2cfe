"""Who blocked an account, and who may lift the block (contract: decisions 22)."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from accounts.models import BlockedBy, User
from accounts.services.users import block, unblock
from internal_api.models import AuditEvent
from scim.models import Identity, Scope
from tests.factories import UserFactory
from tests.scim.conftest import A, P, Provider

USER = A + "/Users/ext-1"
SHUT_OUT_BY_OTHERS = [
    ("blocked", "administrator"),
    ("blocked", "ldap"),
    ("blocked", ""),
    ("ldap_blocked", "ldap"),
    ("banned", "administrator"),
    ("deactivated", ""),
    ("blocked_pending_approval", ""),
]


def patch_active(client: Provider, active: object) -> int:
    body = {"schemas": ["x"], "Operations": [{"op": "Replace", "path": "active", "value": active}]}
    return int(client.send("patch", USER, body).status_code)


def put_active(client: Provider, active: object) -> int:
    return int(client.send("put", USER, {"userName": "foo", "active": active}).status_code)


def post_again(client: Provider, _: object) -> int:
    body = {**P, "externalId": "ext-1", "emails": [{"type": "work", "value": "bar@example.com"}]}
    return int(client.send("post", A + "/Users", body).status_code)


WAYS_IN: list[Callable[[Provider, object], int]] = [patch_active, put_active, post_again]


def state_of(user: User) -> tuple[str, str]:
    user.refresh_from_db()
    return user.state, user.blocked_by


def state_changes() -> list[tuple[str, str, str, str]]:
    """What the audit events tell of states that a command or a caller changed: the action, its author, who had set the former block, and who the new one."""
    rows = AuditEvent.objects.filter(action__startswith="user_", entity_type="User").exclude(actor_kind="system").order_by("pk")
    same = {"before": "", "after": ""}
    told = [(row, row.changes.get("blocked_by", same)) for row in rows]
    return [(row.action, row.author_name, change["before"], change["after"]) for row, change in told]


@pytest.mark.parametrize(("state", "blocked_by"), SHUT_OUT_BY_OTHERS)
@pytest.mark.parametrize("way", WAYS_IN)
@pytest.mark.parametrize("was_deprovisioned", ["active", "inactive", "deleted"])
def test_scim_lifts_no_block_that_it_did_not_set(
    it: Provider, foo: User, state: str, blocked_by: str, way: Callable[[Provider, object], int], was_deprovisioned: str
) -> None:
    User.objects.filter(pk=foo.pk).update(state=state, blocked_by=blocked_by)
    if was_deprovisioned == "inactive":
        assert patch_active(it, "False") == 204
    elif was_deprovisioned == "deleted":
        assert it.delete(USER).status_code == 204
    expected = {404} if (was_deprovisioned, way) == ("deleted", put_active) else {200, 201, 204}
    assert way(it, "True") in expected
    assert state_of(foo) == (state, blocked_by)
    assert state_changes() == []


def test_an_existing_user_gets_an_identity_and_nothing_more(it: Provider) -> None:
    """Contract: scim 1.7 step 3. A first synchronisation undoes no block, not even SCIM's own."""
    for number, (state, blocked_by) in enumerate([*SHUT_OUT_BY_OTHERS, ("blocked", "scim"), ("active", "")]):
        user = UserFactory.create(username=f"leaver{number}", name="Old Name")
        User.objects.filter(pk=user.pk).update(state=state, blocked_by=blocked_by)
        before = User.objects.filter(pk=user.pk).values().get()
        body = {**P, "externalId": f"00u{number}", "emails": [{"type": "work", "value": user.email}]}
        response = it.send("post", A + "/Users", body)
        assert (response.status_code, response.json()["userName"]) == (201, user.username)
        assert User.objects.filter(pk=user.pk).values().get() == before
    assert not user.scim_identities.get().has_made_user
    assert state_changes() == []


def test_scim_lifts_what_it_set(it: Provider, foo: User) -> None:
    """Contract: scim 6 #103, #131."""
    for way in WAYS_IN[:2]:
        assert patch_active(it, "False") == 204
        assert state_of(foo) == ("blocked", "scim")
        assert way(it, "True") in {200, 204}
        assert state_of(foo) == ("active", "")
    for way in (WAYS_IN[0], WAYS_IN[2]):
        assert it.delete(USER).status_code == 204
        assert state_of(foo) == ("blocked", "scim")
        assert way(it, "True") in {201, 204}
        assert state_of(foo) == ("active", "")
    assert state_changes() == [("user_blocked", "(System)", "", "scim"), ("user_unblocked", "(System)", "scim", "")] * 4


def test_a_block_of_scim_is_lifted_although_the_identity_is_active(it: Provider, foo: User) -> None:
    User.objects.filter(pk=foo.pk).update(state="blocked", blocked_by="scim")
    assert patch_active(it, "True") == 204
    assert state_of(foo) == ("active", "")


@pytest.mark.parametrize("way", WAYS_IN)
def test_off_and_on_again_does_not_lift_an_administrators_block(it: Provider, foo: User, way: Any) -> None:
    call_command("block_user", "foo")
    assert patch_active(it, "False") == 204
    assert way(it, "True") in {200, 201, 204}
    assert state_of(foo) == ("blocked", "administrator")
    assert [change[0] for change in state_changes()] == ["user_blocked"]


def test_an_administrator_takes_a_block_over(it: Provider, foo: User) -> None:
    patch_active(it, "False")
    call_command("block_user", "foo")
    assert state_of(foo) == ("blocked", "administrator")
    patch_active(it, "True")
    assert Identity.objects.get(scope__group=None).active
    assert state_of(foo) == ("blocked", "administrator")
    call_command("unblock_user", "foo")
    assert state_of(foo) == ("active", "")
    assert state_changes() == [
        ("user_blocked", "(System)", "", "scim"),
        ("user_blocked", "", "scim", "administrator"),
        ("user_unblocked", "", "administrator", ""),
    ]


def test_an_administrator_lifts_a_block_of_scim(it: Provider, foo: User) -> None:
    patch_active(it, "False")
    assert unblock(foo)
    assert state_of(foo) == ("active", "")
    patch_active(it, "False")
    assert state_of(foo) == ("blocked", "scim")


def test_a_stale_copy_decides_nothing(foo: User) -> None:
    """The row as stored now counts, not what the caller read a while ago."""
    stale = User.objects.get(pk=foo.pk)
    assert block(foo)
    assert not block(stale, by=BlockedBy.SCIM)
    assert (stale.state, stale.blocked_by) == state_of(foo) == ("blocked", "administrator")
    stale.state, stale.blocked_by = "blocked", "scim"
    assert not unblock(stale, by=BlockedBy.SCIM)
    assert state_of(foo) == ("blocked", "administrator")


def test_only_a_blocked_account_has_a_blocker(foo: User) -> None:
    for state, blocked_by in (("active", "scim"), ("deactivated", "administrator"), ("blocked", "somebody")):
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.filter(pk=foo.pk).update(state=state, blocked_by=blocked_by)


@pytest.mark.parametrize(
    ("state", "blocked_by", "expected"), [("blocked", "", "administrator"), ("ldap_blocked", "", "ldap"), ("active", "scim", "")]
)
def test_a_blocker_fits_the_state(foo: User, state: str, blocked_by: str, expected: str) -> None:
    foo.state, foo.blocked_by = state, blocked_by
    foo.full_clean()
    assert foo.blocked_by == expected


def test_a_group_leaves_the_account_alone(gt: Provider, foo: User) -> None:
    block(foo)
    for active in ("False", "True"):
        body = {"schemas": ["x"], "Operations": [{"op": "Replace", "path": "active", "value": active}]}
        assert gt.send("patch", "/api/scim/v2/groups/test_group/Users/ext-1", body).status_code == 204
        assert state_of(foo) == ("blocked", "administrator")


# --- blocks from before ---


@pytest.mark.django_db(transaction=True)
def test_blocks_from_before_are_the_administrators_unless_scim_explains_them() -> None:
    executor = MigrationExecutor(connection)
    latest = executor.loader.graph.leaf_nodes()
    executor.migrate([("scim", "0001_initial"), ("accounts", "0002_deploy_keys_outlive_their_owner")])
    try:
        apps = executor.loader.project_state([("scim", "0001_initial"), ("accounts", "0002_deploy_keys_outlive_their_owner")]).apps
        users, identities = apps.get_model("accounts", "User"), apps.get_model("scim", "Identity")
        scope = apps.get_model("scim", "Scope").objects.create(group=None)
        states = {"ann": "blocked", "bob": "blocked", "cid": "blocked", "dan": "ldap_blocked", "eve": "banned", "fay": "active"}
        made = {name: users.objects.create(username=name, email=f"{name}@example.com", state=state) for name, state in states.items()}
        for name, active in (("bob", False), ("cid", True), ("fay", False), ("eve", False)):
            identities.objects.create(scope=scope, user=made[name], extern_uid=name, active=active)
    finally:
        MigrationExecutor(connection).migrate(latest)
    assert dict(User.objects.values_list("username", "blocked_by")) == {
        "ann": "administrator", "bob": "scim", "cid": "administrator", "dan": "ldap", "eve": "administrator", "fay": "",
    }  # fmt: skip


# --- two at once ---

HANG_GUARD = 60


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", [patch_active, put_active])
def test_who_is_blocked_while_scim_reactivates_stays_blocked(it: Provider, foo: User, way: Any) -> None:
    """The administrator's transaction is open while SCIM's waits for the row; whatever SCIM read before does not count."""
    patch_active(it, "False")
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            assert block(foo)
            answer = pool.submit(_closing(lambda: way(it, "True")))
            _wait_for_a_waiting_transaction()
        assert answer.result(HANG_GUARD) in {200, 204}
    assert state_of(foo) == ("blocked", "administrator")
    assert Identity.objects.get(scope__group=None).active


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_whoever_comes_first_the_administrators_block_holds(it: Provider, foo: User) -> None:
    for _ in range(10):
        unblock(foo)
        patch_active(it, "False")
        together = threading.Barrier(2)
        work: list[Callable[[], object]] = [lambda: block(foo), lambda: patch_active(it, "True")]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda one: _closing(one, together)(), work))  # noqa: B023  finished before the next round
        assert state_of(foo) == ("blocked", "administrator")


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_deleted_identity_that_comes_back_twice_at_once_is_counted_once(it: Provider, foo: User) -> None:
    for _ in range(5):
        assert it.delete(USER).status_code == 204
        together = threading.Barrier(4)
        with ThreadPoolExecutor(4) as pool:
            work = [_closing(lambda: post_again(it, None), together) for _ in range(4)]
            assert list(pool.map(lambda one: one(), work)) == [201] * 4
        assert Scope.objects.get(group=None).identity_count == 1


def _closing(step: Callable[[], Any], together: threading.Barrier | None = None) -> Callable[[], Any]:
    """The step in a thread of its own, which closes its connection."""

    def run() -> Any:
        try:
            if together is not None:
                together.wait(HANG_GUARD)
            return step()
        finally:
            connection.close()

    return run


def _wait_for_a_waiting_transaction() -> None:
    deadline = time.monotonic() + HANG_GUARD
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
    raise AssertionError("SCIM does not wait for the administrator's transaction.")
