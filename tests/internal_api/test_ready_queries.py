"""Querysets that are compiled once, against the same querysets asked the ordinary way."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import CharField, Count, DateTimeField, Model, Q, QuerySet
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from accounts.models import User
from internal_api.ready_queries import Given, ReadyQuery
from repositories.models import Namespace, Project
from repositories.services.projects import create_project
from tests.factories import GroupFactory, StorageFactory, UserFactory

pytestmark = pytest.mark.django_db
RELATED = ("storage", "route", "creator", "namespace__parent")


def projects_of(path: str | Given) -> QuerySet[Project]:
    return Project.objects.filter(path=path).select_related(*RELATED).order_by("pk")


def ready() -> ReadyQuery[Project]:
    return ReadyQuery(lambda: projects_of(Given("path", CharField())))


def columns(row: Model | None) -> dict[str, object] | None:
    if row is None:
        return None
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}  # noqa: SLF001  Django's only list of them


def everything(project: Project) -> list[dict[str, object] | None]:
    """The columns of the row and of all that was selected along with it."""
    return [columns(row) for row in (project, project.storage, project.route, project.creator, project.namespace, project.namespace.parent)]


@pytest.fixture
def projects() -> list[Project]:
    storage = StorageFactory.create(gitaly_token="kept encrypted")
    parent = GroupFactory.create(path="acme")
    places: list[Namespace] = [parent, GroupFactory.create(path="rockets", parent=parent)]
    creators: list[User | None] = [None, UserFactory.create()]
    return [
        create_project(path="engine", namespace=place, storage=storage, creator=creator)
        for place, creator in zip(places, creators, strict=True)
    ]


def test_it_finds_what_the_queryset_finds_relations_and_converted_columns_included(projects: list[Project]) -> None:
    found = ready().all(path="engine")
    assert [everything(project) for project in found] == [everything(project) for project in projects_of("engine")]
    assert [project.storage.gitaly_token for project in found] == ["kept encrypted"] * 2
    assert found[0].creator is None


def test_what_was_selected_along_is_not_asked_for_again(projects: list[Project]) -> None:
    found = ready().all(path="engine")
    with connection.execute_wrapper(lambda *_: pytest.fail("a statement was run")):
        assert [everything(project) for project in found]


def test_nothing_is_found_for_another_value(projects: list[Project]) -> None:
    assert ready().first(path="steering") is None


def test_it_is_compiled_once(projects: list[Project], monkeypatch: pytest.MonkeyPatch) -> None:
    query = ready()
    assert query.first(path="engine")
    monkeypatch.setattr(SQLCompiler, "as_sql", lambda *_, **__: pytest.fail("compiled again"))
    assert [project.pk for project in query.all(path="engine")] == [project.pk for project in projects]
    assert query.all(path="steering") == []


def test_a_value_is_adapted_as_its_type_asks_and_may_stand_in_several_places() -> None:
    now = timezone.now()
    old, new = (UserFactory.create(username=f"day{days}", created_at=now + timedelta(days=days)) for days in (0, 2))
    moment = Given("moment", DateTimeField())
    query = ReadyQuery(lambda: User.objects.filter(Q(created_at__lt=moment) | Q(locked_at__lt=moment), pk__in=[old.pk, new.pk]))
    assert query.all(moment=now + timedelta(days=1)) == [old]
    assert query.all(moment=now + timedelta(days=3)) == [old, new]


@pytest.mark.parametrize("queryset", [Project.objects.annotate(number=Count("pk")), Project.objects.only("pk")])
def test_what_it_would_leave_out_is_refused(queryset: QuerySet[Project]) -> None:
    with pytest.raises(TypeError, match="whole rows"):
        ReadyQuery(lambda: queryset).all()


def test_a_value_that_is_missing_is_a_mistake() -> None:
    with pytest.raises(KeyError, match="path"):
        ready().all()


@pytest.mark.django_db(transaction=True)
def test_each_thread_has_its_own(projects: list[Project]) -> None:
    built: list[int] = []

    def build() -> QuerySet[Project]:
        built.append(threading.get_ident())
        return projects_of(Given("path", CharField()))

    query = ReadyQuery(build)
    assert query.first(path="engine") == query.first(path="engine") == projects[0]
    found: list[Project | None] = []

    def ask() -> None:
        found.append(query.first(path="engine"))
        connection.close()

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert found == [projects[0]]
    assert len(built) == len({*built}) == 2, "compiled once for either thread's connection"
