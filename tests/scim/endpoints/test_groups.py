"""Groups of the instance's identity provider (contract: scim 1.10, 6 #145 to #173)."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from internal_api.models import AuditEvent
from repositories.models import Member, Namespace
from repositories.services.access import set_member
from scim.models import GroupMembership, SamlGroupLink
from scim.services.tokens import scope_of
from tests.factories import GroupFactory, UserFactory
from tests.scim.conftest import A, G, Provider, identity, scim_error
from tests.statements import at_most

UID = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"


def op(kind: str, value: Any = None, path: str | None = "members") -> dict[str, Any]:
    return {"op": kind, "value": value} if path is None else {"op": kind, "path": path, "value": value}


def people(*uids: str) -> list[dict[str, str]]:
    return [{"value": uid} for uid in uids]


def patch(client: Provider, *operations: Any, uid: str = UID) -> Any:
    return client.send("patch", f"{A}/Groups/{uid}", {"schemas": ["x"], "Operations": list(operations)})


@pytest.fixture
def staff(test_group: Namespace) -> list[User]:
    """Alice and Bob, whom the instance's identity provider knows as e1 and e2."""
    users = [UserFactory.create(username=name, name=f"{name.capitalize()} Example") for name in ("alice", "bob")]
    for number, user in enumerate(users, 1):
        identity(scope_of(None), user, f"e{number}")
    return users


@pytest.fixture
def engineering(test_group: Namespace, staff: list[User], it: Provider) -> Namespace:
    """Engineering gives a developer's role in tools, and a maintainer's too; it is linked."""
    tools = GroupFactory.create(path="tools")
    for level in (30, 40):
        SamlGroupLink.objects.create(group=tools, name="Engineering", access_level=level)
    SamlGroupLink.objects.create(group=test_group, name="Engineering", access_level=20)
    response = it.send("post", A + "/Groups", {"displayName": "Engineering", "externalId": UID})
    assert response.status_code == 201
    return tools


def roles(user: User) -> dict[str, int]:
    return dict(Member.objects.filter(user=user).values_list("namespace__path", "access_level"))


def test_all_links_of_the_name_get_the_id(it: Provider, engineering: Namespace) -> None:
    """Scim 6 #145, #146."""
    assert set(SamlGroupLink.objects.values_list("scim_group_uid", flat=True)) == {UID}
    assert it.delete(f"{A}/Groups/{UID}").status_code == 204
    response = it.send("post", A + "/Groups", {"displayName": "Engineering"})
    body = response.json()
    assert set(SamlGroupLink.objects.values_list("scim_group_uid", flat=True)) == {body["id"]}
    assert sorted(body) == ["displayName", "id", "members", "meta", "schemas"]
    assert (response.status_code, body["displayName"], body["members"], body["meta"]) == (201, "Engineering", [], {"resourceType": "Group"})
    assert response["Location"] == f"http://localhost:3001{A}/Groups/{body['id']}"


def everything() -> list[Any]:
    models = (SamlGroupLink, GroupMembership, Member)
    return [list(model._default_manager.order_by("pk").values()) for model in models]  # noqa: SLF001  the default manager


@pytest.mark.parametrize("external_id", [{"externalId": UID}, {"externalId": UID.upper()}, {}, {"externalId": None}])
def test_a_name_that_is_linked_keeps_its_id(it: Provider, engineering: Namespace, external_id: dict[str, Any]) -> None:
    """Decisions 22: nothing changes, and the answer is the group as it is."""
    patch(it, op("add", people("e1")))
    before, events = everything(), AuditEvent.objects.count()
    response = it.send("post", A + "/Groups", {"displayName": "Engineering", **external_id})
    assert (response.status_code, response.json()) == (201, it.get(f"{A}/Groups/{UID}").json())
    assert response["Location"] == f"http://localhost:3001{A}/Groups/{UID}"
    assert [member["value"] for member in response.json()["members"]] == ["e1"]
    assert (everything(), AuditEvent.objects.count()) == (before, events)


def test_a_name_that_is_linked_gets_no_other_id(it: Provider, engineering: Namespace, staff: list[User]) -> None:
    """Decisions 22: members made under the first id stay manageable by it."""
    patch(it, op("add", people("e1", "e2")))
    before = everything()
    response = it.send("post", A + "/Groups", {"displayName": "Engineering", "externalId": OTHER})
    detail = "SAML group Engineering is linked to another externalId already"
    assert (response.status_code, response.json()) == (412, {**scim_error(412, detail), "scimType": "uniqueness"})
    assert everything() == before
    assert it.get(f"{A}/Groups/{OTHER}").status_code == 404
    assert patch(it, op("remove", people("e1"))).status_code == 204
    assert (roles(staff[0]), roles(staff[1])) == ({}, {"tools": 40, "test_group": 20})
    assert it.delete(f"{A}/Groups/{UID}").status_code == 204
    assert roles(staff[1]) == {}
    assert it.send("post", A + "/Groups", {"displayName": "Engineering", "externalId": OTHER}).json()["id"] == OTHER


def test_a_link_that_came_later_gets_the_id_of_its_name(it: Provider, engineering: Namespace, staff: list[User]) -> None:
    late = SamlGroupLink.objects.create(group=GroupFactory.create(path="late"), name="Engineering", access_level=30)
    assert it.send("post", A + "/Groups", {"displayName": "Engineering", "externalId": UID}).status_code == 201
    late.refresh_from_db()
    assert late.scim_group_uid == UID


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("names", [("Engineering", "Engineering"), ("Engineering", "Sales")])
def test_two_who_link_at_once_share_no_name_and_no_id(it: Provider, names: tuple[str, str]) -> None:
    """One name gets one of two ids; one id goes to one of two names."""
    tools, is_one_name = GroupFactory.create(path="tools"), len(set(names)) == 1
    for name in sorted(set(names)):
        SamlGroupLink.objects.create(group=tools, name=name, access_level=30)
    ids = (UID, OTHER) if is_one_name else (UID, UID)
    together = threading.Barrier(2)

    def link(name: str, uid: str) -> int:
        try:
            together.wait(60)
            return int(it.send("post", A + "/Groups", {"displayName": name, "externalId": uid}).status_code)
        finally:
            connection.close()

    for _ in range(5):
        SamlGroupLink.objects.update(scim_group_uid="")
        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(link, names, ids)) == [201, 412]
        assert SamlGroupLink.objects.exclude(scim_group_uid="").count() == 1


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        pytest.param({"displayName": "nonexistent"}, 412, "No matching SAML group found with name: nonexistent", id="#148"),
        pytest.param({}, 400, "displayName is missing", id="#149"),
        pytest.param({"displayName": "Engineering", "externalId": "nonsense"}, 412, "Invalid UUID for scim_group_uid", id="no uuid"),
        pytest.param({"displayName": " "}, 412, "Missing params: [:saml_group_name]", id="blank"),
        pytest.param({"displayName": "Sales", "externalId": UID}, 412, "Invalid UUID for scim_group_uid", id="another group's id"),
    ],
)
def test_what_cannot_be_linked(it: Provider, engineering: Namespace, body: Any, status: int, text: str) -> None:
    SamlGroupLink.objects.create(group=engineering, name="Sales", access_level=20)
    response = it.send("post", A + "/Groups", body)
    assert (response.status_code, response.json()["detail"]) == (status, text)
    if status == 400:
        assert response.json()["error"] == text


def test_a_group_and_its_members(it: Provider, engineering: Namespace, staff: list[User]) -> None:
    """Scim 6 #151, #152, #56 to #59."""
    resource = {"schemas": [GROUP], "id": UID, "displayName": "Engineering", "meta": {"resourceType": "Group"}}
    assert it.get(f"{A}/Groups/{UID}").json() == {**resource, "members": []}
    assert patch(it, op("ADD", people("e1"), "MEMBERS")).status_code == 204
    member = {"value": "e1", "display": "Alice Example", "type": "User"}
    assert it.get(f"{A}/Groups/{UID}").json() == {**resource, "members": [member]}
    assert it.get(f"{A}/Groups/{UID}?excludedAttributes=members").json() == resource
    GroupMembership.objects.create(scim_group_uid=OTHER, user=staff[0])
    assert it.get(A + "/Users/e1").json()["groups"] == [{"value": UID, "display": "Engineering", "type": "direct"}]


@pytest.mark.parametrize("uid", ["non-existent-id", "a b", "a/b", "a@b", "%00"])
def test_no_group_of_that_id(it: Provider, engineering: Namespace, uid: str) -> None:
    """Scim 6 #166."""
    expected = scim_error(404, f"Group {uid.replace('%00', chr(0))} not found")
    assert it.get(f"{A}/Groups/{uid}").json() == it.delete(f"{A}/Groups/{uid}").json() == expected
    assert patch(it, op("add", []), uid=uid).json() == expected
    assert it.send("put", f"{A}/Groups/{uid}", {"schemas": ["x"], "displayName": "x"}).json() == expected


def test_groups_are_listed_and_found_by_name(it: Provider, engineering: Namespace, staff: list[User]) -> None:
    """Scim 6 #154 to #158, #173."""
    SamlGroupLink.objects.create(group=engineering, name="Sales", access_level=20, scim_group_uid=OTHER)
    SamlGroupLink.objects.create(group=engineering, name="Unlinked", access_level=20)
    patch(it, op("add", people("e1", "e2")))

    def listed(**query: Any) -> Any:
        with at_most(6):
            return it.get(A + "/Groups", query).json()

    answer = listed()
    assert [(one["displayName"], len(one["members"])) for one in answer["Resources"]] == [("Engineering", 2), ("Sales", 0)]
    assert (answer["totalResults"], answer["startIndex"], answer["itemsPerPage"]) == (2, 1, 20)
    assert listed(filter='displayName eq "Sales"')["Resources"][0]["id"] == OTHER
    assert listed(filter="displayName eq 'None'")["totalResults"] == 0
    assert listed(count=1, startIndex=2)["Resources"][0]["displayName"] == "Sales"
    assert "members" not in listed(excludedAttributes="members")["Resources"][0]
    assert it.get(A + "/Groups", {"filter": 'id eq "x"'}).json()["detail"] == "Unsupported Filter"
    assert it.send("post", A + "/Groups/.search", {"filter": 'displayName eq "Sales"'}).json()["totalResults"] == 1


def test_members_get_the_highest_role_of_the_links(it: Provider, engineering: Namespace, staff: list[User]) -> None:
    """Scim 1.10; a higher role that somebody has is left alone, and unknown people are passed over (#163, #164)."""
    set_member(engineering, staff[0], 50)
    assert patch(it, op("Add", people("e1", "E2", "unknown")), op("add", "x", "externalId")).status_code == 204
    assert roles(staff[0]) == {"tools": 50, "test_group": 20}
    assert roles(staff[1]) == {"tools": 40, "test_group": 20}


@pytest.mark.parametrize(
    "operation", [op("Remove", people("e1")), {"op": "remove", "path": 'members[value eq "e1"]'}, {"op": "remove", "path": "members"}]
)
def test_members_are_removed(it: Provider, engineering: Namespace, staff: list[User], operation: Any) -> None:
    """Scim 6 #161, D35: whom SCIM has not made a member stays."""
    patch(it, op("add", people("e1")))
    set_member(engineering, staff[1], 30)
    assert patch(it, operation, op("remove", people("e2"))).status_code == 204
    assert roles(staff[0]) == {}
    assert roles(staff[1]) == {"tools": 30}


def test_another_group_still_gives_a_role(it: Provider, engineering: Namespace, staff: list[User]) -> None:
    SamlGroupLink.objects.create(group=engineering, name="Sales", access_level=20, scim_group_uid=OTHER)
    patch(it, op("add", people("e1")))
    patch(it, op("add", people("e1")), uid=OTHER)
    assert roles(staff[0])["tools"] == 40
    patch(it, op("remove", people("e1")))
    assert roles(staff[0]) == {"tools": 20}


def test_the_last_owner_of_a_group_stays(it: Provider, engineering: Namespace, staff: list[User]) -> None:
    patch(it, op("add", people("e1")))
    set_member(engineering, staff[0], 50)
    assert patch(it, op("remove", people("e1"))).status_code == 204
    assert roles(staff[0]) == {"tools": 50}


def test_a_whole_list_replaces_the_members(it: Provider, engineering: Namespace, staff: list[User]) -> None:
    """Scim 6 #167, #169."""
    patch(it, op("add", people("e1")))
    body = {"schemas": ["x"], "displayName": "ignored", "members": people("e2", "unknown")}
    response = it.send("put", f"{A}/Groups/{UID}", body)
    assert response.json() == {"schemas": [GROUP], "id": UID, "displayName": "Engineering", "meta": {"resourceType": "Group"}}
    assert (roles(staff[0]), roles(staff[1])) == ({}, {"tools": 40, "test_group": 20})
    it.send("put", f"{A}/Groups/{UID}", {"schemas": ["x"], "displayName": "x"})
    assert roles(staff[1])
    it.send("put", f"{A}/Groups/{UID}", {"schemas": ["x"], "displayName": "x", "members": []})
    assert not roles(staff[1])
    assert it.send("put", f"{A}/Groups/{UID}", {"schemas": ["x"]}).json()["error"] == "displayName is missing"
    assert it.send("put", f"{A}/Groups/{UID}", {"schemas": ["x"], "displayName": "x", "members": 7}).status_code == 400


def test_a_group_is_unlinked(it: Provider, engineering: Namespace, staff: list[User]) -> None:
    """Scim 6 #170."""
    patch(it, op("add", people("e1")))
    response = it.delete(f"{A}/Groups/{UID}")
    assert (response.status_code, response.content) == (204, b"")
    assert set(SamlGroupLink.objects.values_list("scim_group_uid", flat=True)) == {""}
    assert not roles(staff[0])
    assert not GroupMembership.objects.exists()
    assert it.get(f"{A}/Groups/{UID}").status_code == 404


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "schemas is missing, Operations is missing"),
        ({"schemas": ["x"]}, "Operations is missing"),
        ({"schemas": ["x"], "Operations": []}, "Operations[0][op] is missing"),
        ({"schemas": ["x"], "Operations": [{}]}, "Operations[0][op] is missing"),
        ({"schemas": ["x"], "Operations": [op("replace", [])]}, "Operations[0][op] does not have a valid value"),
        ({"schemas": ["x"], "Operations": [op("add", []), op("move", [])]}, "Operations[1][op] does not have a valid value"),
        ({"schemas": ["x"], "Operations": 7}, "Operations is invalid"),
        ({"schemas": ["x"], "Operations": [7]}, "Operations is invalid"),
    ],
)
def test_operations_that_are_none(it: Provider, engineering: Namespace, body: Any, error: str) -> None:
    response = it.send("patch", f"{A}/Groups/{UID}", body)
    assert (response.status_code, response.json()["error"]) == (400, error)


def test_a_groups_scope_has_no_groups(gt: Provider, engineering: Namespace) -> None:
    for path in ("/Groups", "/Groups/x"):
        assert gt.get(G + path).status_code == 404
    assert [kind["id"] for kind in gt.get(G + "/ResourceTypes").json()["Resources"]] == ["User"]


def test_groups_are_a_resource_where_there_is_a_link(it: Provider, engineering: Namespace) -> None:
    """Scim 6 #136, D34."""
    assert [kind["id"] for kind in it.get(A + "/ResourceTypes").json()["Resources"]] == ["User", "Group"]
    assert it.get(f"{A}/Schemas/{GROUP}").json()["attributes"][0]["canonicalValues"] == ["Engineering"]


def test_a_link_that_is_removed_takes_its_role_along(it: Provider, engineering: Namespace, staff: list[User]) -> None:
    """No role is left behind that SCIM could not take away any more."""
    alice, bob = staff
    set_member(engineering, bob, 50)
    assert patch(it, op("add", people("e1", "e2"))).status_code == 204
    SamlGroupLink.objects.get(group=engineering, access_level=40).delete()
    assert (roles(alice)["tools"], roles(bob)["tools"]) == (30, 50)
    SamlGroupLink.objects.filter(group=engineering).delete()
    assert "tools" not in roles(alice)
    assert roles(bob)["tools"] == 50
    assert len(roles(alice)) == 1
    assert GroupMembership.objects.filter(user=alice).exists()


@pytest.mark.parametrize("external_id", [UID, OTHER])
def test_with_its_last_link_a_group_forgets_its_members(it: Provider, engineering: Namespace, staff: list[User], external_id: str) -> None:
    """A link of the same name that is made again begins without members, and SCIM can give and take roles."""
    assert patch(it, op("add", people("e1"))).status_code == 204
    SamlGroupLink.objects.all().delete()
    assert roles(staff[0]) == {}
    SamlGroupLink.objects.create(group=engineering, name="Engineering", access_level=20)
    assert it.send("post", A + "/Groups", {"displayName": "Engineering", "externalId": external_id}).json()["members"] == []
    assert patch(it, op("add", people("e1")), uid=external_id).status_code == 204
    assert roles(staff[0]) == {"tools": 20}
    assert patch(it, op("remove", people("e1")), uid=external_id).status_code == 204
    assert roles(staff[0]) == {}


def test_a_linked_group_can_be_removed_with_its_members(it: Provider, engineering: Namespace, staff: list[User]) -> None:
    assert patch(it, op("add", people("e1"))).status_code == 204
    engineering.delete()
    assert "tools" not in roles(staff[0])
