"""Lists of 70,000 values, more than a statement has parameters: answered like short ones, through the real endpoints."""

from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import Model
from django.db.models.functions import Lower
from django.test import Client

from accounts.models import User
from internal_api.lookups import SHORT
from kubernetes_agent.models import UniqueUse
from kubernetes_agent.services.tokens import create_agent_token
from repositories.models import Member, Project, PushEvent, Route
from repositories.services.access import set_member
from scim.models import GroupMembership, SamlGroupLink
from scim.services.tokens import rotate_token, scope_of
from tests.factories import AgentFactory, GroupFactory, UserFactory
from tests.scim.conftest import A, Provider, identity
from tests.statements import at_most

MANY = 70_000
NUMBERS = range(10**9, 10**9 + MANY)
INTERNAL = "/api/v4/internal"
UID = "11111111-2222-3333-4444-555555555555"
TOKEN = "glagent-of-the-tests-of-long-lists"
ZEROS = "0" * 40


def post(client: Client, path: str, **values: Any) -> Any:
    return client.post(f"{INTERNAL}/{path}", values, content_type="application/json")


def copies(row: Model, **columns: str) -> list[int]:
    """Copy a row in PostgreSQL many times and return the copies' ids; columns that differ are SQL in which `n` is 1 and up."""
    table = row._meta  # noqa: SLF001  the usual way
    names = [one.column for one in table.concrete_fields if one.column != "id"]
    values = ", ".join(columns.get(name, f"t.{name}") for name in names)
    made = (
        f"INSERT INTO {table.db_table} ({', '.join(names)}) SELECT {values} "  # noqa: S608  our own words
        f"FROM {table.db_table} t, generate_series(1, {MANY}) n WHERE t.id = {row.pk} ORDER BY n RETURNING id"
    )
    with connection.cursor() as cursor:
        cursor.execute(made)
        return [number for (number,) in cursor.fetchall()]


def test_a_long_list_is_one_parameter_and_finds_what_a_short_one_finds(ann: User, rockets: Project) -> None:
    with at_most(5):
        assert list(User.objects.filter(pk__in=[ann.pk, *NUMBERS])) == [ann]
        assert list(Project.objects.filter(namespace__in=[rockets.namespace_id, *NUMBERS])) == [rockets]
        assert list(Member.objects.filter(user__in=[*NUMBERS])) == []
        assert list(User.objects.filter(username__in=["ann", *map(str, NUMBERS)])) == [ann]
        found = Route.objects.annotate(lower=Lower("path")).filter(lower__in=["acme/rockets", *(f"{n}" for n in NUMBERS)])
        assert [route.path for route in found] == ["acme/rockets"]
    assert User.objects.exclude(pk__in=[ann.pk, *NUMBERS]).filter(pk=ann.pk).count() == 0
    assert User.objects.filter(pk__in=[*NUMBERS]).update(name="x") == User.objects.filter(pk__in=[*NUMBERS]).delete()[0] == 0


def test_values_longer_than_the_column_are_not_cut(ann: User) -> None:
    length = User._meta.get_field("username").max_length  # noqa: SLF001  the usual way
    assert length
    UserFactory.create(username="b" * length, email="b@example.com", name="B")
    assert not User.objects.filter(username__in=["b" * (length + 1)] * 2 + [f"{n}" for n in range(SHORT + 1)]).exists()


def test_short_lists_and_queries_keep_djangos_sql(ann: User) -> None:
    for rows in (User.objects.filter(pk__in=[1, 2]), User.objects.filter(pk__in=User.objects.values("pk"))):
        sql = str(rows.query)
        assert " IN (" in sql
        assert "ANY" not in sql
        assert "json_each" not in sql


@pytest.mark.postgresql
def test_usage_metrics_and_events_of_many_users(kas: Client, ann: User, rockets: Project) -> None:
    users = [ann.pk, *NUMBERS]
    unique = {f"k8s_api_proxy_requests_unique_{things}_via_ci_access": users for things in ("users", "agents")}
    assert post(kas, "kubernetes/usage_metrics", unique_counters=unique).status_code == 204
    uses = [{"user_id": user, "project_id": project} for user, project in zip(users, [rockets.pk, *NUMBERS], strict=True)]
    assert post(kas, "kubernetes/agent_events", events={"k8s_api_proxy_requests_unique_users_via_ci_access": uses}).status_code == 204
    kept = UniqueUse.objects.filter(name__contains="users").values_list("entity_id", flat=True)
    assert set(kept) == (set() if settings.REDIS_URL else {ann.pk})


@pytest.mark.postgresql
def test_changes_of_many_refs(shell: Client, ann: User, rockets: Project) -> None:
    set_member(rockets, ann, 40)
    changes = "\n".join(f"{ZEROS} {number:040x} refs/heads/b{number}" for number in range(1, MANY + 1))
    where = {"gl_repository": f"project-{rockets.pk}", "identifier": f"user-{ann.pk}", "user_id": ann.pk, "changes": changes}
    asked = post(shell, "allowed", action="git-receive-pack", protocol="ssh", project="acme/rockets", **where)
    assert asked.status_code == 200, asked.content
    assert post(shell, "pre_receive", **where).status_code == 200
    assert post(shell, "post_receive", **where).status_code == 200
    assert len(PushEvent.objects.get().changes) == MANY


@pytest.mark.postgresql
def test_members_of_many_people(db: None) -> None:
    group = GroupFactory.create(path="tools")
    SamlGroupLink.objects.create(group=group, name="Engineering", access_level=30, scim_group_uid=UID)
    eve = UserFactory.create(username="eve")
    identity(scope_of(None), eve, "e1")
    provider = Provider(rotate_token(None)[1])
    uids = ["e1", *(f"u{number}" for number in range(MANY))]

    def patch(op: str) -> int:
        operations = [{"op": op, "path": "members", "value": uids}]
        return int(provider.send("patch", f"{A}/Groups/{UID}", {"schemas": ["x"], "Operations": operations}).status_code)

    assert patch("add") == 204
    assert Member.objects.filter(user=eve, namespace=group).exists()
    replaced = provider.send("put", f"{A}/Groups/{UID}", {"schemas": ["x"], "displayName": "Engineering", "members": uids})
    assert replaced.status_code == 200
    assert GroupMembership.objects.count() == 1
    assert patch("remove") == 204
    assert GroupMembership.objects.count() == 0


@pytest.mark.postgresql
def test_a_group_of_many_members_is_read_listed_and_unlinked(db: None) -> None:
    """With members who exist: rows are inserted and deleted in batches, and read by lists of their ids."""
    group = GroupFactory.create(path="tools")
    SamlGroupLink.objects.create(group=group, name="Engineering", access_level=30, scim_group_uid=UID)
    first = UserFactory.create(username="u0")
    users = copies(first, username="'u' || n", email="'u' || n || '@x.example'")
    copies(GroupMembership.objects.create(scim_group_uid=UID, user=first), user_id=f"n + {users[0] - 1}")
    provider = Provider(rotate_token(None)[1])
    assert provider.get(f"{A}/Groups/{UID}").status_code == 200
    assert provider.get(f"{A}/Groups", {"count": "100"}).status_code == 200
    assert GroupMembership.objects.filter(user__in=users).delete()[0] == MANY


@pytest.mark.postgresql
def test_a_scan_of_many_findings(kas: Client, ann: User, rockets: Project) -> None:
    set_member(rockets, ann, 40)
    create_agent_token(agent=AgentFactory.create(project=rockets, created_by=ann), name="first", token=TOKEN)
    agent_caller = Client()
    agent_caller.defaults = {**kas.defaults, "HTTP_GITLAB_AGENT_API_REQUEST": TOKEN}
    uuids = [f"00000000-0000-4000-8000-{number:012x}" for number in range(MANY)]
    assert post(agent_caller, "kubernetes/modules/starboard_vulnerability/scan_result", uuids=uuids).status_code == 200
