"""Dumping at size: a fixed number of statements for each batch, one batch in memory, one moment, one text."""

import gc
import io
import itertools
import json
import threading
import tracemalloc
from io import StringIO
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.db import InternalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import SSHKey, User
from internal_api.seeding import dump as dumping
from internal_api.seeding.dump import dump, in_batches
from internal_api.seeding.progress import ProgressLines
from internal_api.seeding.snapshot import snapshot
from internal_api.seeding.writers import JSONWriter, YAMLWriter
from repositories.models import Member, Namespace, NamespaceKind, Project, ProtectedBranch, ProtectedRefGrant, Route, Storage


def nothing(*_: Any) -> None:
    """A progress that nobody reads."""


def company(number: int) -> None:
    """So many users with a key and a namespace each, so many groups, and so many projects with a member and a rule."""
    users = User.objects.bulk_create(
        [User(username=f"user{n}", name="x" * 200, email=f"user{n}@example.com", password="!") for n in range(number)]
    )
    own = Namespace.objects.bulk_create([Namespace(kind=NamespaceKind.USER, path=user.username, name="x", owner=user) for user in users])
    groups = Namespace.objects.bulk_create([Namespace(kind=NamespaceKind.GROUP, path=f"group{n}", name="x" * 200) for n in range(number)])
    SSHKey.objects.bulk_create([SSHKey(user=user, title="x", key="x" * 200, key_type="x", bits=1, fingerprint=user.pk) for user in users])
    storage = Storage.objects.create(name="default")
    projects = Project.objects.bulk_create([Project(namespace=group, path="p", name="x" * 200, storage=storage) for group in groups])
    Route.objects.bulk_create([Route(path=one.path, namespace=one) for one in (*own, *groups)])
    Route.objects.bulk_create([Route(path=f"{one.namespace.path}/p", project=one) for one in projects])
    Member.objects.bulk_create([Member(project=one, user=user, access_level=30) for one, user in zip(projects, users, strict=True)])
    Member.objects.bulk_create([Member(namespace=one, user=user, access_level=30) for one, user in zip(groups, users, strict=True)])
    rules = ProtectedBranch.objects.bulk_create([ProtectedBranch(project=one, name="main") for one in projects])
    ProtectedRefGrant.objects.bulk_create([ProtectedRefGrant(protected_branch=rule, kind="push", user=users[0]) for rule in rules])


def statements() -> int:
    with CaptureQueriesContext(connection) as captured:
        dump(YAMLWriter(nothing), nothing)
    return len(captured)


def test_the_number_of_statements_grows_with_the_batches_alone(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dumping, "BATCH", 7)
    company(20)
    three_batches = statements()
    company_of_one_more = User.objects.create(username="late", name="x", email="late@example.com", password="!")
    Namespace.objects.create(kind=NamespaceKind.USER, path="late", name="x", owner=company_of_one_more)
    assert statements() <= three_batches + 1  # the third batch is full now, and one more look tells that it was the last
    monkeypatch.setattr(dumping, "BATCH", 100)
    one_batch = statements()
    monkeypatch.setattr(dumping, "BATCH", 11)
    two_batches = statements()
    per_batch = two_batches - one_batch
    assert per_batch < 35  # for a batch of users, one of groups and one of projects together
    assert three_batches == one_batch + 2 * per_batch


def test_memory_does_not_grow_with_the_rows(db: None, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(dumping, "BATCH", 20)
    company(40)

    def collect(*_: Any) -> None:
        gc.collect()  # models that refer to each other are garbage, and gone whenever Python looks for it

    def peak() -> int:
        dump(YAMLWriter(nothing), nothing)  # what is loaded and remembered once does not count
        tracemalloc.start()
        dump(YAMLWriter(nothing), collect)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    gc.freeze()  # what the tests have loaded is not looked through each time
    request.addfinalizer(gc.unfreeze)
    of_forty = peak()
    User.objects.all().delete()
    ProtectedBranch.objects.all().delete()
    Project.objects.all().delete()
    Namespace.objects.all().delete()
    Storage.objects.all().delete()
    company(400)
    assert peak() < 1.5 * of_forty


def test_the_text_is_that_of_the_whole_document(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dumping, "BATCH", 3)
    company(8)
    yaml_text, json_text = StringIO(), StringIO()
    dump(YAMLWriter(yaml_text.write), nothing)
    dump(JSONWriter(json_text.write), nothing)
    document = yaml.safe_load(yaml_text.getvalue())
    assert [len(document[name]) for name in ("users", "groups", "projects")] == [8, 8, 8]
    assert yaml_text.getvalue() == yaml.dump(
        document, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False, allow_unicode=True
    )
    assert json_text.getvalue() == json.dumps(document, indent=2) + "\n"


@pytest.mark.parametrize("pieces", [[3], [1, 2], [1, 1, 1]])
def test_pieces_of_nested_lists_make_one_text(pieces: list[int]) -> None:
    entries = iter([{"user": f"ann{n}", "note": "two\n\nlines", "deep": {"list": [n]}} for n in range(3)])
    parts = [list(itertools.islice(entries, size)) for size in pieces]
    whole = {"instance": {"a": 1}, "outer": {"inner": [entry for part in parts for entry in part]}, "last": [{"b": 2}]}
    for kind, text in ((YAMLWriter, yaml.safe_dump(whole, sort_keys=False)), (JSONWriter, json.dumps(whole, indent=2) + "\n")):
        out = io.StringIO()
        writer = kind(out.write)
        writer.entries("instance", [{"a": 1}], many=False)
        for part in parts:
            writer.entries("outer.inner", part, many=True)
        writer.entries("last", [{"b": 2}], many=True)
        writer.end()
        assert out.getvalue() == text
    empty = io.StringIO()
    JSONWriter(empty.write).end()
    assert json.loads(empty.getvalue()) == {}


def test_batches_have_every_row_once_and_in_order(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dumping, "BATCH", 4)
    company(8)
    assert [len(batch) for batch in in_batches(User.objects.all())] == [4, 4]
    paths = [one.route.path for batch in in_batches(Namespace.objects.select_related("route"), "route__path") for one in batch]
    assert paths == sorted(paths)
    assert len(set(paths)) == 16


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_dump_is_of_one_moment_and_keeps_no_writer_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another connection writes between any two batches; what it writes is in the database, and not in the dump."""
    monkeypatch.setattr(dumping, "BATCH", 2)
    company(6)
    written: list[bool] = []

    def write() -> None:
        try:
            User.objects.create(username=f"late{len(written)}", name="x", email=f"late{len(written)}@example.com", password="!")
            written.append(True)
        finally:
            connection.close()

    def progress(*_: Any) -> None:
        writer = threading.Thread(target=write)
        writer.start()
        writer.join(60)

    out = StringIO()
    with snapshot():
        dump(YAMLWriter(out.write), progress)
    assert len(written) > 5
    assert User.objects.filter(username__startswith="late").count() == len(written)
    assert len(yaml.safe_load(out.getvalue())["users"]) == 6


@pytest.mark.once
@pytest.mark.django_db(transaction=True)
def test_on_sqlite_a_snapshot_takes_no_writers_lock() -> None:
    with CaptureQueriesContext(connection) as captured:
        with snapshot():
            User.objects.count()
        with transaction.atomic():
            User.objects.count()
    begun = [query["sql"] for query in captured if query["sql"].startswith("BEGIN")]
    assert begun[0] == "BEGIN DEFERRED"
    assert begun[1] != "BEGIN DEFERRED"


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_snapshot_can_write_nothing() -> None:
    with pytest.raises(InternalError, match="read-only transaction"), snapshot():
        User.objects.create(username="late", name="x", email="late@example.com", password="!")


def test_progress_is_told_now_and_then_with_an_estimate_of_the_rest() -> None:
    times = iter([0.0, 0.5, 2.5, 3.0, 10.0, 10.5, 11.0, 11.5])
    lines: list[str] = []
    progress = ProgressLines(lines.append, clock=lambda: next(times))
    for done in (100, 200, 300, 1000):
        progress("users", done, 1000)
    progress("groups", 1, 2)  # too soon for a line
    progress("groups", 2, 2)
    assert lines == ["users: 200 of 1000, 80 a second, 0:00:10 left", "users: 1000 of 1000, 100 a second"]


@pytest.mark.django_db(transaction=True)
def test_the_command_tells_its_progress_on_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("internal_api.seeding.progress.EVERY", 0.0)
    company(3)
    out, err = StringIO(), StringIO()
    call_command("dump_seed", stdout=out, stderr=err)
    assert "users: 3 of 3" in err.getvalue()
    assert len(yaml.safe_load(out.getvalue())["projects"]) == 3
