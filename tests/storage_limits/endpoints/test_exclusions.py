"""Exclusions from storage limits (contract: shell-endpoints 14, 16.12, 17 e52 to e62; decisions 21)."""

import threading
from datetime import date
from typing import Any
from urllib.parse import quote

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from accounts.models import PersonalAccessToken, User
from accounts.services.personal_access_tokens import create_token
from internal_api.models import AuditEvent
from repositories.models import Namespace, Project
from storage_limits.models import LimitExclusion
from storage_limits.services.exclusions import exclude, remove_exclusion
from tests.factories import GroupFactory, ProjectFactory, UserFactory
from tests.statements import at_most

LIST = "/api/v4/namespaces/storage/limit_exclusions"
REASON = "for testing reasons"


def one(identifier: object) -> str:
    return f"/api/v4/namespaces/{identifier}/storage/limit_exclusion"


def caller(user: User, *scopes: str, **fields: Any) -> Client:
    row, clear = create_token(user=user, name="x", scopes=scopes or ("api",), expires_at=fields.pop("expires_at", None))
    PersonalAccessToken.objects.filter(pk=row.pk).update(**{"revoked": False, **fields})
    return Client(headers={"private-token": clear})


@pytest.fixture
def root(db: None) -> User:
    return UserFactory.create(username="root", admin=True)


@pytest.fixture
def admin(root: User) -> Client:
    """An administrator's program."""
    return caller(root)


def test_a_namespace_is_excluded_and_not_any_more(admin: Client, acme: Namespace, root: User) -> None:
    """shell-endpoints 16.12 #179, #187, #191; e60."""
    response = admin.post(one(acme.pk), {"reason": REASON}, content_type="application/json")
    row = LimitExclusion.objects.get()
    expected = {"id": row.pk, "namespace_id": acme.pk, "namespace_name": "acme", "reason": REASON}
    assert (response.status_code, response.json()) == (201, expected)
    assert admin.get(LIST).json() == [expected]
    response = admin.delete(one(acme.pk))
    assert (response.status_code, response.content) == (204, b"")
    response = admin.delete(one(acme.pk))
    assert (response.status_code, response.json()) == (400, {"message": "400 Bad request - not excluded"})
    assert [(event.action, event.author_id) for event in AuditEvent.objects.filter(entity_type="LimitExclusion").order_by("pk")] == [
        ("storage_limit_exclusion_created", root.pk),
        ("storage_limit_exclusion_removed", root.pk),
    ]


@pytest.mark.parametrize("identifier", ["acme", "ACME", "ann"])
def test_a_path_names_a_namespace_too(admin: Client, acme: Namespace, ann: User, identifier: str) -> None:
    """e56, e57; and the address that the document prints."""
    assert admin.post(one(identifier).removeprefix("/api"), {"reason": REASON}).status_code == 201


@pytest.mark.parametrize("identifier", ["999999", "nowhere", "acme/rockets", "9" * 30, "%00", "storage"])
@pytest.mark.parametrize("method", ["post", "delete"])
def test_no_such_namespace(admin: Client, rockets: Project, identifier: str, method: str) -> None:
    """#181, e58: a project is no namespace."""
    response = getattr(admin, method)(
        one(identifier if identifier == "%00" else quote(identifier, safe="")), {"reason": REASON}, content_type="application/json"
    )
    assert (response.status_code, response.json()) == (404, {"message": "404 Namespace Not Found"})


@pytest.mark.parametrize("method", ["post", "delete"])
def test_a_subgroup_is_none_of_them(admin: Client, acme: Namespace, method: str) -> None:
    """#182, #190; by its encoded path."""
    GroupFactory.create(path="tools", parent=acme)
    response = getattr(admin, method)(one(quote("acme/tools", safe="")), {"reason": REASON}, content_type="application/json")
    assert (response.status_code, response.json()) == (400, {"message": "400 Bad request - must use a root namespace"})


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        pytest.param({}, {"error": "reason is missing"}, id="e52"),
        pytest.param({"reason": []}, {"error": "reason is invalid"}, id="a list"),
        pytest.param({"reason": ""}, {"message": {"reason": ["can't be blank"]}}, id="e54"),
        pytest.param({"reason": "  "}, {"message": {"reason": ["can't be blank"]}}, id="blanks"),
        pytest.param({"reason": None}, {"message": {"reason": ["can't be blank"]}}, id="null"),
        pytest.param({"reason": "x" * 256}, {"message": {"reason": ["is too long (maximum is 255 characters)"]}}, id="e55"),
    ],
)
def test_a_reason_is_needed(admin: Client, acme: Namespace, body: Any, answer: Any) -> None:
    response = admin.post(one(acme.pk), body, content_type="application/json")
    assert (response.status_code, response.json()) == (400, answer)
    assert not LimitExclusion.objects.exists()


def test_the_longest_reason(admin: Client, acme: Namespace) -> None:
    """e55."""
    assert admin.post(one(acme.pk), {"reason": "x" * 255}).status_code == 201


def test_twice_is_told_before_the_reason_is_looked_at(admin: Client, acme: Namespace) -> None:
    """e59."""
    exclude(acme, REASON)
    response = admin.post(one(acme.pk), {"reason": ""})
    assert (response.status_code, response.json()) == (400, {"message": "400 Bad request - already excluded"})


CALLS = [("get", LIST), ("post", one(1)), ("delete", one(1))]


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize(
    "headers",
    [{}, {"private-token": ""}, {"private-token": "nonsense"}, {"authorization": "Bearer nonsense"}, {"authorization": "Basic x"}],
)
def test_strangers(stranger: Client, db: None, method: str, path: str, headers: dict[str, str]) -> None:
    """#184, #193, #197; e53: before anything else."""
    response = getattr(stranger, method)(path, headers=headers)
    assert (response.status_code, response.json()) == (401, {"message": "401 Unauthorized"})


def test_three_ways_to_show_a_token(root: User, stranger: Client) -> None:
    clear = create_token(user=root, name="x", scopes=["api"], expires_at=None)[1]
    assert stranger.get(LIST, headers={"private-token": clear}).status_code == 200
    assert stranger.get(LIST, headers={"authorization": f"Bearer {clear}"}).status_code == 200
    assert stranger.get(LIST, {"private_token": clear}).status_code == 200
    row = PersonalAccessToken.objects.get()
    assert row.last_used_at is not None
    stranger.get(LIST, headers={"private-token": clear})
    assert PersonalAccessToken.objects.get().last_used_at == row.last_used_at


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_tokens_that_do_not_do(root: User, method: str, path: str) -> None:
    """shell-endpoints 14.1."""
    response = getattr(caller(root, expires_at=date(2020, 1, 1)), method)(path)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_token")
    assert response.json()["error_description"].startswith("Token is expired.")
    assert getattr(caller(root, revoked=True), method)(path).json()["error_description"].startswith("Token was revoked.")
    response = getattr(caller(root, "read_user", "read_api" if method != "get" else "k8s_proxy"), method)(path)
    assert (response.status_code, response.json()["error"]) == (403, "insufficient_scope")


def test_reading_needs_less(root: User) -> None:
    assert caller(root, "read_api").get(LIST).status_code == 200


def test_others_may_not(acme: Namespace, ann: User, root: User) -> None:
    """#185, #196; parameters are looked at first (14.1)."""
    client = caller(ann)
    for method, path in (("get", LIST), ("post", one(acme.pk)), ("delete", one(acme.pk))):
        response = getattr(client, method)(path, {"reason": REASON}, content_type="application/json")
        assert (response.status_code, response.json()) == (403, {"message": "403 Forbidden"})
    assert client.post(one(acme.pk)).json() == {"error": "reason is missing"}
    blocked = caller(root)
    User.objects.filter(pk=root.pk).update(state="blocked")
    response = blocked.get(LIST)
    assert (response.status_code, response.json()) == (403, {"message": "403 Forbidden - Your account has been blocked."})


@pytest.fixture
def ten(db: None) -> None:
    for number in range(10):
        exclude(GroupFactory.create(path=f"g{number}"), f"reason {number}")


def test_pages_and_their_headers(admin: Client, ten: None) -> None:
    """#203."""
    response = admin.get(LIST, {"page": 2, "per_page": 4})
    assert [row["reason"] for row in response.json()] == ["reason 4", "reason 5", "reason 6", "reason 7"]
    told = {name: response[name] for name in ("X-Per-Page", "X-Page", "X-Next-Page", "X-Prev-Page", "X-Total", "X-Total-Pages")}
    assert told == {"X-Per-Page": "4", "X-Page": "2", "X-Next-Page": "3", "X-Prev-Page": "1", "X-Total": "10", "X-Total-Pages": "3"}
    links = ", ".join(
        f'<http://localhost:3001{LIST}?page={page}&per_page=4>; rel="{name}"'
        for name, page in (("prev", 1), ("next", 3), ("first", 1), ("last", 3))
    )
    assert response["Link"] == links


@pytest.mark.parametrize(
    ("query", "rows", "following"),
    [({}, 10, ""), ({"per_page": 1000}, 10, ""), ({"page": 3, "per_page": 5}, 0, ""), ({"page": 9**15}, 0, ""), ({"per_page": 9}, 9, "2")],
)
def test_page_sizes(admin: Client, ten: None, query: dict[str, int], rows: int, following: str) -> None:
    """e61."""
    response = admin.get(LIST, query)
    assert (response.status_code, len(response.json()), response["X-Next-Page"]) == (200, rows, following)


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"per_page": 0}, "per_page has a value not allowed"),
        ({"page": "x"}, "page is invalid"),
        ({"page": 0}, "page does not have a valid value"),
        ({"per_page": -1}, "per_page does not have a valid value"),
    ],
)
def test_pages_that_are_none(admin: Client, query: dict[str, Any], error: str) -> None:
    """e62."""
    response = admin.get(LIST, query)
    assert (response.status_code, response.json()) == (400, {"error": error})


def test_a_page_is_four_statements(admin: Client, ten: None) -> None:
    admin.get(LIST)
    with at_most(3):
        admin.get(LIST)


# --- the flag that decisions read ---


def is_over(namespace: Namespace) -> bool:
    namespace.refresh_from_db()
    return namespace.over_storage_limit


def test_the_flag_follows_sizes_limits_and_exclusions(acme: Namespace) -> None:
    """Allowed 4.6, row 6; decisions 21."""
    tools = GroupFactory.create(path="tools", parent=acme)
    first, second = ProjectFactory.create(namespace=acme), ProjectFactory.create(path="p", namespace=tools)
    for project, size in ((first, 60), (second, 40)):
        project.storage_size = size
        project.save()
    assert not is_over(acme)
    acme.storage_limit = 100
    acme.save()
    assert not is_over(acme)
    acme.storage_limit = 99
    acme.save()
    assert is_over(acme)
    exclude(acme, REASON)
    assert not is_over(acme)
    remove_exclusion(acme)
    assert is_over(acme)
    second.delete()
    assert not is_over(acme)
    first.storage_size = 100
    first.save()
    assert is_over(acme)
    acme.storage_limit = 0
    acme.save()
    assert not is_over(acme)
    assert not is_over(tools)


def test_the_database_holds_the_rules(acme: Namespace) -> None:
    """#199, #200, #202."""
    for fields in ({"reason": None}, {"reason": ""}, {"reason": "x" * 256}):
        with pytest.raises(IntegrityError), transaction.atomic():
            LimitExclusion.objects.create(namespace=acme, **fields)
    exclude(acme, REASON)
    with pytest.raises(IntegrityError), transaction.atomic():
        LimitExclusion.objects.create(namespace=acme, reason="again")
    acme.delete()
    assert not LimitExclusion.objects.exists()


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_the_flag_is_right_after_changes_at_the_same_time() -> None:
    """Half of the threads exclude and include, the others change sizes; at the end the flag is what the rows say."""
    group = GroupFactory.create(path="acme", storage_limit=100)
    projects = [ProjectFactory.create(path=f"p{number}", namespace=group) for number in range(4)]

    def resize(project: Project, last: int) -> None:
        for size in (500, 0, last):
            project.storage_size = size
            project.save()
        connection.close()

    def toggle() -> None:
        for _ in range(3):
            exclude(group, REASON)
            remove_exclusion(group)
        connection.close()

    work = [threading.Thread(target=resize, args=[project, 30]) for project in projects] + [threading.Thread(target=toggle)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert is_over(group)
    Project.objects.get(path="p0").delete()
    assert not is_over(group)
