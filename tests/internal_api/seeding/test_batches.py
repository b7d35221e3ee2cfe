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
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import ExtraEmail, PersonalAccessToken, SSHKey, User
from internal_api.models import AuditEvent
from internal_api.registrations import load_registrations
from internal_api.seeding import SeedError, batches, dump, seed
from internal_api.seeding.documents import parse
from internal_api.seeding.registry import registry
from repositories.models import (
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
        }
        for n in range(size)
    ]
    groups: list[dict[str, Any]] = [
        {
            "path": f"group{n}",
            "members": {f"user{n}": "owner"},
            "shared_with": {f"group{(n + 1) % size}": "developer"},
            "webhooks": [{"url": f"https://example.com/groups/{n}", "token": "the token"}],
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
        }
        for n in range(size)
    ]
    return {"storages": [{"name": "default"}], "users": users, "groups": groups, "projects": projects}


def statements(document: dict[str, Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        seed([document], options=["rows_only"])
    return len(captured)


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
    Project.objects.all().delete()
    for depth in ("/", ""):
        Namespace.objects.filter(kind="group", route__path__contains=depth).delete()
    User.objects.all().delete()
    of_eight = statements(document)
    split = 6  # SQLite takes some hundred values with one INSERT
    assert of_eight <= of_four + split
    assert of_four < 170


@pytest.mark.postgresql
def test_three_hundred_of_each_cost_as_many_statements_as_a_hundred(db: None) -> None:
    of_a_hundred = statements(company(100))
    Project.objects.all().delete()
    for depth in ("/", ""):
        Namespace.objects.filter(kind="group", route__path__contains=depth).delete()
    User.objects.all().delete()
    Storage.objects.all().delete()
    assert statements(company(300)) <= of_a_hundred + 10  # events are written some at a time


def test_a_batch_more_costs_a_fixed_number_of_statements(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    users = {"users": company(30)["users"]}
    monkeypatch.setattr(batches, "BATCH", 10)
    of_three = statements(users)
    User.objects.all().delete()
    monkeypatch.setattr(batches, "BATCH", 30)
    of_one = statements(users)
    assert (of_three - of_one) / 2 < 35
    assert of_one < 60


def rows() -> list[Any]:
    """All that the company has, by natural keys."""
    return [
        sorted(User.objects.values_list("username", "name", "email", "state", "blocked_by", "namespace__path", "namespace__root__path")),
        sorted(SSHKey.objects.values_list("user__username", "title", "fingerprint", "kind", "usage_type")),
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
    Project.objects.all().delete()
    for depth in ("/", ""):
        Namespace.objects.filter(kind="group", route__path__contains=depth).delete()
    User.objects.all().delete()
    Storage.objects.all().delete()
    AuditEvent.objects.all().delete()
    monkeypatch.undo()
    monkeypatch.setattr(batches, "BATCH", 2)
    seed([company(5)], options=["rows_only"])
    for together, apart in zip(rows(), expected, strict=True):
        assert together == apart


def test_each_row_that_is_made_together_has_its_event(db: None) -> None:
    with held_against_the_rows() as told:
        seed([company(4)], options=["rows_only"])
    assert told.actions.count("user_created") == 4
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


def test_progress_is_told_of_every_phase(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("internal_api.seeding.progress.EVERY", 0.0)
    (tmp_path / "state.json").write_text(json.dumps(company(3)))
    err = StringIO()
    call_command("seed", str(tmp_path / "state.json"), "--rows-only", stdout=StringIO(), stderr=err)
    phases = {line.partition(":")[0] for line in err.getvalue().splitlines()}
    entries = company(3)
    below = {"scim_token", "shared_with", "members"} | {name for name, value in entries["users"][0].items() if isinstance(value, list)}
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
