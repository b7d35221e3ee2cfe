"""Seeding at size: entries are loaded together, and what comes of it is what loading them one by one would have done."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import ExtraEmail, PersonalAccessToken, SSHKey, User
from internal_api.acting import acting, command_actor
from internal_api.models import AuditEvent
from internal_api.registrations import load_registrations
from internal_api.seeding import SeedError, batches, dump, seed, spooled, statistics
from internal_api.seeding.documents import parse, read
from internal_api.seeding.registry import registry
from kubernetes_agent.models import Agent, AgentEvent, AgentToken, SecurityPolicy
from repositories.models import (
    DeployKeyGrant,
    ErrorTrackingKey,
    GroupLink,
    Member,
    Namespace,
    NamespaceLineage,
    Project,
    ProtectedBranch,
    ProtectedRefGrant,
    ProtectedTag,
    RedirectRoute,
    Route,
    Storage,
    Webhook,
)
from scim.models import Identity
from tests.audit_log import held_against_the_rows

POLICY = "actions: []\nrules: []"
HEAD = bytes.fromhex("0000000b7373682d6564323535313900000020")


def key(number: int) -> str:
    return "ssh-ed25519 " + base64.b64encode(HEAD + hashlib.sha256(str(number).encode()).digest()).decode()


def company(size: int) -> dict[str, Any]:
    """So many users, groups on two levels and projects, each with one or two of all that is loaded together."""
    users = [
        {
            "username": f"user{n}",
            "keys": [{"title": "laptop", "key": key(n)}],
            "name": f"User {n}",
            "extra_emails": [f"user{n}@other.example.com"],
            "personal_access_tokens": [
                {"name": "ci", "token": f"glpat-of-user-{n}-long-enough", "scopes": ["api"], "expires_at": "2030-01-01"}
            ],
            "storage_limit": 1000 + n,
        }
        for n in range(size)
    ]
    groups: list[dict[str, Any]] = [
        {
            "path": f"group{n}",
            "members": {f"user{n}": "owner"},
            "shared_with": {f"group{(n + 1) % size}": "developer"},
            "webhooks": [{"url": f"https://example.com/groups/{n}", "token": "the token"}],
            "storage_limit": 1000,
        }
        for n in range(size)
    ]
    groups[0]["scim_token"] = "glsoat-of-the-group-long-enough"
    groups[0]["scim_identities"] = [{"user": f"user{n}", "extern_uid": f"Uid-{n}", "active": n % 2 == 0} for n in range(size)]
    groups += [{"path": f"group{n}/below"} for n in range(size)]
    projects = [
        {
            "path": f"group{n}/below/p",
            "members": {f"user{n}": "maintainer", f"USER{(n + 1) % size}": {"access_level": "guest", "expires_at": "2030-01-01"}},
            "shared_with": {f"Group{(n + 1) % size}": "reporter"},
            "redirects_from": [f"old/p{n}"],
            "protected_branches": [
                {"name": "main", "push": ["no_one"]},
                {"name": "v*", "push": [{"user": f"user{n}"}], "allow_force_push": True},
            ],
            "protected_tags": [{"name": "v*", "create": [{"group": f"group{n}"}, "maintainer"]}],
            "webhooks": [{"url": f"https://example.com/projects/{n}", "events": ["push"]}],
            "error_tracking_keys": [{"public_key": f"glet_{n:032x}", "active": n % 2 == 0}],
            "deploy_keys": [
                {"title": "ci", "key": key(10_000 + n), "can_push": n % 2 == 0, "owner": f"User{n}"},
                {"title": "shared", "key": key(20_000 + n // 2), "owner": None},
            ],
            "agents": [
                {
                    "name": "prod",
                    "created_by": f"user{n}",
                    "tokens": [
                        {"name": "first", "token": f"glagent-of-{n}-long-enough"},
                        {"name": "old", "token": f"glagent-old-{n}", "status": "revoked"},
                    ],
                },
                {"name": "test"},
            ],
            "storage_size": 999 + n % 3,
            "security_policies": [{"name": "Nightly", "yaml": POLICY, "enabled": n % 2 == 0}, {"name": "other", "yaml": POLICY}],
        }
        for n in range(size)
    ]
    return {"storages": [{"name": "default"}], "users": users, "groups": groups, "projects": projects}


def statements(document: dict[str, Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        seed([document], options=["rows_only"])
    return len(captured)


def remove_company() -> None:
    Project.objects.all().delete()
    for depth in ("/", ""):
        Namespace.objects.filter(kind="group", route__path__contains=depth).delete()
    SSHKey.objects.all().delete()
    User.objects.all().delete()
    Storage.objects.all().delete()


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is loaded together."""
    registered()
    for section in registry.sections.values():
        monkeypatch.setitem(registry.sections, section.name, registry_without(section))
    for keys in registry.keys.values():
        for found in list(keys.values()):
            monkeypatch.setitem(keys, found.name, registry_without(found))


def registered() -> None:
    load_registrations("seeds")


def registry_without(found: Any) -> Any:
    return replace(found, load_many=None)


def test_the_number_of_statements_does_not_grow_within_a_batch(db: None) -> None:
    document = company(8)
    few = {name: entries[:4] if name == "users" else entries for name, entries in company(4).items()}
    of_four = statements(few)
    remove_company()
    of_eight = statements(document)
    split = 6  # SQLite takes some hundred values with one INSERT
    assert of_eight <= of_four + split
    assert of_four < 300


@pytest.mark.postgresql
def test_three_hundred_of_each_cost_as_many_statements_as_a_hundred(db: None) -> None:
    of_a_hundred = statements(company(100))
    remove_company()
    assert statements(company(300)) <= of_a_hundred + 10  # events are written some at a time


def test_a_batch_more_costs_a_fixed_number_of_statements(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    users = {"users": company(30)["users"]}
    monkeypatch.setattr(batches, "BATCH", 10)
    of_three = statements(users)
    remove_company()
    monkeypatch.setattr(batches, "BATCH", 30)
    of_one = statements(users)
    assert (of_three - of_one) / 2 < 45
    assert of_one < 60


def rows() -> list[Any]:
    """All that the company has, by natural keys."""
    return [
        sorted(User.objects.values_list("username", "name", "email", "state", "blocked_by", "namespace__path", "namespace__root__path")),
        sorted(map(str, SSHKey.objects.values_list("user__username", "title", "fingerprint", "kind", "usage_type"))),
        sorted(Namespace.objects.values_list("route__path", "root__route__path", "kind", "name", "visibility")),
        sorted(NamespaceLineage.objects.values_list("namespace__route__path", "ancestor__route__path", "depth")),
        sorted(Route.objects.values_list("path", flat=True)),
        sorted(Project.objects.values_list("route__path", "name", "storage__name", "default_branch")),
        sorted(
            map(
                str,
                Member.objects.values_list(
                    "user__username", "namespace__route__path", "project__route__path", "access_level", "expires_at"
                ),
            )
        ),
        sorted(ProtectedBranch.objects.values_list("project__route__path", "name", "allow_force_push")),
        sorted(map(str, ProtectedRefGrant.objects.values_list("protected_branch__name", "kind", "access_level", "user__username"))),
        sorted(ExtraEmail.objects.values_list("user__username", "email")),
        sorted(map(str, PersonalAccessToken.objects.values_list("user__username", "name", "scopes", "expires_at", "token_digest"))),
        sorted(map(str, GroupLink.objects.values_list("namespace__route__path", "project__route__path", "group__path", "access_level"))),
        sorted(RedirectRoute.objects.values_list("path", "project__route__path")),
        sorted(Identity.objects.values_list("scope__group__path", "user__username", "extern_uid", "active", "has_made_user")),
        sorted(
            (str(hook.audit_name()), hook.token or "", hook.push_events, hook.tag_push_events, hook.active)
            for hook in Webhook.objects.all()
        ),
        sorted(ErrorTrackingKey.objects.values_list("project__route__path", "public_key", "active")),
        sorted(ProtectedTag.objects.values_list("project__route__path", "name")),
        sorted(DeployKeyGrant.objects.values_list("project__route__path", "key__fingerprint", "can_push")),
        sorted(map(str, Agent.objects.values_list("project__route__path", "name", "created_by__username"))),
        sorted(AgentToken.objects.values_list("agent__project__route__path", "agent__name", "name", "token_digest", "status")),
        sorted(AgentEvent.objects.values_list("agent__project__route__path", "token__name", "kind")),
        sorted(Project.objects.values_list("route__path", "storage_size")),
        sorted(SecurityPolicy.objects.values_list("project__route__path", "name", "description", "enabled", "yaml")),
        sorted(Namespace.objects.values_list("route__path", "storage_limit", "over_storage_limit")),
        sorted(map(str, ProtectedRefGrant.objects.values_list("protected_tag__project__path", "access_level", "group__route__path"))),
        sorted(
            (action, re.sub(r"(key|webhook) \d+$", r"\1 ID", path), kind)
            for action, path, kind in AuditEvent.objects.values_list("action", "entity_path", "entity_type")
        ),
    ]


@pytest.fixture
def expected(db: None, one_by_one: None) -> list[Any]:
    """What one by one comes of a company."""
    seed([company(5)], options=["rows_only"])
    return rows()


def test_together_the_same_comes_of_a_file_as_one_by_one(expected: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    AuditEvent.objects.all().delete()
    remove_company()
    AuditEvent.objects.all().delete()
    monkeypatch.undo()
    monkeypatch.setattr(batches, "BATCH", 2)
    seed([company(5)], options=["rows_only"])
    for together, apart in zip(rows(), expected, strict=True):
        assert together == apart


def test_each_row_that_is_made_together_has_its_event(db: None) -> None:
    with held_against_the_rows(in_steps=True) as told, acting(command_actor("seed")):
        seed([company(4)], options=["rows_only"])
    assert told.actions.count("user_created") == 4 + 1  # the ghost user, as whom a deploy key without an owner acts
    with held_against_the_rows() as told:
        assert seed([company(4)], options=["rows_only"]).changes() == {}
    assert told.events == []


def test_what_is_there_already_is_changed_beside_what_is_new(db: None) -> None:
    seed([company(2)], options=["rows_only"])
    document = company(4)
    document["users"][0]["name"] = "Another"
    document["users"][1]["absent"] = False
    document["groups"][1]["visibility"] = "public"
    document["projects"][0]["members"]["user0"] = "guest"
    changes = seed([document], options=["rows_only"]).changes()
    assert changes["users"] == {"created": 2, "changed": 1 + 2}  # a name, and the addresses of the two new ones
    assert changes["groups"] == {"created": 4, "changed": 1}
    assert changes["projects"] == {"created": 2}
    assert changes["members"] == {"changed": 2 + 4 + 1 + 1}  # of two groups, of two projects, a level, and user1's second, now user2's
    assert User.objects.get(username="user0").name == "Another"
    assert Member.objects.get(user__username="user0", project__route__path="group0/below/p").access_level == 10


def another(size: int) -> dict[str, Any]:
    """The company after a year: what is loaded together has changed, and some of it is new."""
    document = company(size + 1)
    for n, project in enumerate(document["projects"]):
        ours, shared = project["deploy_keys"]
        ours.update(title="release", can_push=n % 3 == 0, owner=f"user{size - n}" if n % 2 else None)
        shared["title"] = "everywhere"
        prod, test = project["agents"]
        prod.update(created_by=None if n % 2 else "user0")
        prod["tokens"][0]["status"] = "revoked"
        test["tokens"] = [{"name": "first", "token": f"glagent-test-{n}-long-enough"}]
        test["receptive"] = {"url": f"grpcs://agent{n}.example.com", "private_key": "c2VjcmV0"}
        project["storage_size"] = 0 if n % 3 else 2000
        project["security_policies"][0] = {"name": "Nightly", "absent": True} if n % 3 else {"name": "Nightly", "description": "changed"}
    for n in range(1, size + 1, 2):
        document["groups"][n]["storage_limit"] = 1500 if n % 4 == 1 else 0
    return document


def test_present_rows_are_changed_together_as_one_by_one(db: None, request: pytest.FixtureRequest) -> None:
    seed([company(4)], options=["rows_only"])
    AuditEvent.objects.all().delete()

    def what_comes_of_it() -> list[Any]:
        with transaction.atomic(), acting(command_actor("seed")):
            found = [seed([another(4)], options=["rows_only"]).changes(), *rows()]
            transaction.set_rollback(True)
        return found

    together = what_comes_of_it()
    request.getfixturevalue("one_by_one")
    for found, expected in zip(together, what_comes_of_it(), strict=True):
        assert found == expected
    assert together[0]["deploy_keys"]["changed"] == 4 + 2
    assert together[0]["agent_tokens"] == {"changed": 4, "created": 2 + 5}


@pytest.mark.parametrize(
    ("below", "error"),
    [
        ({"deploy_keys": [{"key": key(1)}]}, r"deploy_keys\[0\]\.key: belongs to a user"),
        ({"deploy_keys": [{"key": key(10_001), "owner": "nobody"}]}, r"deploy_keys\[0\]\.owner: there is no user 'nobody'"),
        ({"deploy_keys": [{"key": key(7), "id": 70}, {"key": key(7), "id": 71}]}, r"deploy_keys\[1\]\.id: the key has the id 70 already"),
        ({"agents": [{"name": "prod", "created_by": "nobody"}]}, r"agents\[0\]: There is no user 'nobody'"),
        ({"agents": [{"name": "UPPER"}]}, r"agents\[0\]: Agent 'UPPER' is not accepted"),
        (
            {"agents": [{"name": "prod", "tokens": [{"name": c} for c in "abc"]}]},
            r"agents\[0\]\.tokens\[\d\]: An agent can have only two active",
        ),
        (
            {"agents": [{"name": "x", "tokens": [{"token": "glagent-of-0-long-enough"}]}]},
            r"agents\[0\]\.tokens\[0\]: The token, or its id, is in use",
        ),
        ({"storage_size": -1}, r"storage_size: is not a number"),
    ],
)
def test_a_mistake_below_a_project_is_told_where_it_is(db: None, below: dict[str, Any], error: str) -> None:
    seed([company(3)], options=["rows_only"])
    with pytest.raises(SeedError, match=rf"projects\[0\]\.{error}"):
        seed([{"projects": [{"path": "group1/below/p", **below}]}], options=["rows_only"])


@pytest.mark.parametrize("order", [1, -1])
def test_a_token_takes_the_place_of_one_that_is_revoked_before_it(db: None, order: int) -> None:
    seed([{"groups": [{"path": "acme"}], "projects": [{"path": "acme/p"}]}], options=["rows_only"])
    active = [{"name": name, "token": f"glagent-{name}-long-enough"} for name in ("first", "second")]
    seed([{"projects": [{"path": "acme/p", "agents": [{"name": "prod", "tokens": active}]}]}])
    changes = [{**active[0], "status": "revoked"}, {"name": "third", "token": "glagent-third-long-enough"}][::order]
    document = {"projects": [{"path": "acme/p", "agents": [{"name": "prod", "tokens": changes}]}]}
    if order == 1:
        assert seed([document]).changes() == {"agent_tokens": {"changed": 1, "created": 1}}
    else:
        with pytest.raises(SeedError, match=r"tokens\[0\]: An agent can have only two active tokens"):
            seed([document])


def test_entries_about_one_row_are_applied_in_their_order(db: None) -> None:
    document = {
        "users": [
            {"username": "ann", "name": "First"},
            {"username": "ANN", "name": "Second"},
            {"username": "bob"},
            {"username": "bob", "absent": True},
        ],
        "groups": [{"path": "acme"}, {"path": "Acme", "visibility": "public"}],
        "projects": [{"path": "acme/a", "members": {"ann": "guest", "Ann": "developer"}}, {"path": "ACME/A", "description": "again"}],
    }
    changes = seed([document], options=["rows_only"]).changes()
    assert changes["users"] == {"changed": 1, "created": 2, "removed": 1}
    assert User.objects.get().name == "Second"
    assert (Namespace.objects.get(kind="group").visibility, Project.objects.get().description) == ("public", "again")
    assert Member.objects.get().access_level == 30


@pytest.mark.parametrize(
    ("section", "entry", "error"),
    [
        ("users", {"username": "user1x", "email": "user1@example.com"}, r"users\[6\]: User 'user1x' is not accepted"),
        ("users", {"username": "x", "keys": [{"key": key(1)}]}, r"users\[6\]\.keys\[0\]\.key: belongs to somebody else"),
        ("users", {"username": "x", "name": "n" * 256}, r"users\[6\]: User 'x' is not accepted: name: Ensure"),
        ("users", {"username": "x", "state": "asleep"}, r"users\[6\]\.state: 'asleep' is none of"),
        ("groups", {"path": "user1"}, r"groups\[12\]\.path: 'user1' is a user's own namespace"),
        ("groups", {"path": "nowhere/below"}, r"groups\[12\]\.path: there is no group 'nowhere'"),
        ("groups", {"path": "group1/x", "ip_allowlist": ["10.0.0.0/8"]}, r"groups\[12\]\.ip_allowlist: is for top-level groups"),
        ("groups", {"path": "x", "members": {"nobody": "owner"}}, r"groups\[12\]\.members\.nobody: there is no user 'nobody'"),
        ("projects", {"path": "nowhere/p"}, r"projects\[6\]\.path: there is no namespace 'nowhere'"),
        ("projects", {"path": "group1/p.git"}, r"projects\[6\]: Project 'p\.git' is not accepted"),
        (
            "projects",
            {"path": "group1/p", "repository": {"storage": "no"}},
            r"projects\[6\]\.repository\.storage: there is no storage 'no'",
        ),
        ("projects", {"path": "group1/p", "id": 7, "members": {"user1": "king"}}, r"projects\[6\]\.members\.user1: 'king' is none of"),
        (
            "projects",
            {"path": "group1/p", "protected_branches": [{"name": "a b"}]},
            r"projects\[6\]\.protected_branches\[0\]\.name: 'a b' can match",
        ),
    ],
)
def test_a_mistake_among_many_is_told_where_it_is_and_nothing_is_kept(db: None, section: str, entry: dict[str, Any], error: str) -> None:
    document = company(6)
    document[section].append(entry)
    with pytest.raises(SeedError, match=error):
        seed([document], options=["rows_only"])
    assert (User.objects.count(), Namespace.objects.count(), AuditEvent.objects.count()) == (0, 0, 0)


def test_a_new_project_takes_its_path_from_a_redirect(db: None) -> None:
    seed([{"groups": [{"path": "acme"}], "projects": [{"path": "acme/a", "redirects_from": ["acme/B", "acme/c"]}]}], options=["rows_only"])
    seed([{"projects": [{"path": "acme/b"}, {"path": "acme/d"}]}], options=["rows_only"])
    assert RedirectRoute.objects.get().path == "acme/c"


@pytest.mark.django_db(transaction=True)
def test_a_dump_at_size_rebuilds_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH", 7)
    monkeypatch.setattr(dump, "BATCH", 6)
    monkeypatch.setattr(spooled, "KEPT", 4)
    seed([company(25)], options=["rows_only"])
    first = dumped()
    call_command("flush", interactive=False, verbosity=0)
    (tmp_path / "state.yaml").write_text(first)
    call_command("seed", str(tmp_path / "state.yaml"), "--rows-only", stdout=StringIO(), stderr=StringIO())
    assert dumped() == first
    assert len(yaml.safe_load(first)["projects"]) == 25


def dumped() -> str:
    out = StringIO()
    call_command("dump_seed", stdout=out, stderr=StringIO())
    return out.getvalue()


def test_only_some_entries_of_a_long_file_are_in_memory(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooled, "KEPT", 3)
    document = read(StringIO(yaml.safe_dump({"users": company(10)["users"]}, sort_keys=False)))
    users = document["users"]
    assert isinstance(users, spooled.Spooled)
    assert (len(users), list(users), list(users)) == (10, company(10)["users"], company(10)["users"])
    assert seed([document]).changes()["keys"] == {"created": 10}
    assert seed([document]).changes() == {}


def test_what_a_file_says_below_a_row_that_it_removes_later_is_not_loaded(db: None) -> None:
    document = {"users": [{"username": "bob", "keys": [{"key": key(1)}]}, {"username": "bob", "absent": True}]}
    assert seed([document]).changes() == {"users": {"created": 1, "removed": 1}}
    assert SSHKey.objects.count() == 0


def test_an_unknown_key_of_the_last_entry_is_found_before_the_first_is_loaded(db: None) -> None:
    document = company(3)
    document["projects"][2]["membres"] = {}
    with CaptureQueriesContext(connection) as captured, pytest.raises(SeedError, match=r"projects\[2\]\.membres: is not a known key"):
        seed([document])
    assert not [query for query in captured if "INSERT" in query["sql"]]


def test_progress_is_told_of_every_phase(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("internal_api.seeding.progress.EVERY", 0.0)
    (tmp_path / "state.json").write_text(json.dumps(company(3)))
    err = StringIO()
    call_command("seed", str(tmp_path / "state.json"), "--rows-only", stdout=StringIO(), stderr=err)
    phases = {line.partition(":")[0] for line in err.getvalue().splitlines()}
    entries = company(3)
    below = {"scim_token", "shared_with", "members", "storage_size", "storage_limit"} | {
        name for name, value in entries["users"][0].items() if isinstance(value, list)
    }
    below |= {name for place in ("groups", "projects") for name, value in entries[place][0].items() if isinstance(value, list)}
    assert {phase.partition(".")[0] for phase in phases} == {"storages", "users", "groups", "projects"}
    assert {phase.partition(".")[2] for phase in phases} == {"", *below}
    assert "users: 3 of 3" in err.getvalue()


@pytest.mark.once
@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, '{"users": ' + "[" * 100_000])
def test_a_text_that_is_nested_too_deeply_ends_no_process(text: str) -> None:
    with pytest.raises(SeedError, match="nested too deeply"):
        parse(text)


@pytest.mark.once
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("users: []\nusers: []", 2),
        ("a:\n  x: 1\n  y: 2\n  x: 3", 4),
        ("a: &a {x: 1}\nb:\n  <<: *a\n  x: 2\n  x: 3", 5),
        ('{"a": 1,\n "a": 2}', 2),
    ],
)
def test_a_key_that_is_given_twice_is_told_with_its_line(text: str, line: int) -> None:
    with pytest.raises(SeedError, match=f"line {line}: the key '.*' is given twice"):
        parse(text)


@pytest.mark.once
def test_json_is_read_as_json() -> None:
    assert parse(json.dumps({"users": [{"name": "Ann 😀"}]})) == {"users": [{"name": "Ann 😀"}]}
    assert parse("{users: []}") == {"users": []}
    assert parse("a: &a {x: 1}\nb: {<<: *a, y: 2}")["b"] == {"x": 1, "y": 2}
    with pytest.raises(SeedError, match="is not YAML"):
        parse('{"users": [}')


@pytest.mark.django_db(transaction=True)
def test_a_file_that_fails_in_a_later_batch_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH", 2)
    document = company(5)
    document["projects"][4]["members"]["nobody"] = "owner"
    (tmp_path / "state.json").write_text(json.dumps(document))
    with pytest.raises(CommandError, match=r"projects\[4\]\.members\.nobody: there is no user 'nobody'"):
        call_command("seed", str(tmp_path / "state.json"), "--rows-only", stdout=StringIO(), stderr=StringIO())
    assert (User.objects.count(), Project.objects.count(), AuditEvent.objects.count()) == (0, 0, 0)


@pytest.mark.postgresql
def test_the_planner_knows_of_rows_that_are_not_committed(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "LEAST", 100)
    monkeypatch.setattr(batches, "BATCH", 100)
    with CaptureQueriesContext(connection) as captured:
        seed([{"users": company(350)["users"]}], options=["rows_only"])
        with connection.cursor() as cursor:
            cursor.execute("SELECT reltuples FROM pg_class WHERE relname = 'accounts_user'")
            assert cursor.fetchone()[0] >= 200
    analyzed = [query["sql"] for query in captured if query["sql"].startswith("ANALYZE")]
    assert sum('"accounts_user"' in sql for sql in analyzed) == 2, "a table is analyzed again when it has doubled"
