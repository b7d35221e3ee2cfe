"""Identity providers against a running service: scim2-tester on both trees, and the sequences of Okta and Entra (contract: scim 4.2 to 4.4)."""

import json
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

from tests.live.service import Service

pytestmark = [pytest.mark.live]


@dataclass
class Tree:
    """One scope of a running service."""

    address: str
    token: str

    def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, content_type: str = "application/scim+json"
    ) -> tuple[int, Any]:
        headers = {
            "Authorization": f"Bearer {token or self.token}",
            "Content-Type": content_type,
            "Accept": "application/scim+json; charset=utf-8",
        }
        content = None if body is None else json.dumps(body).encode()
        with Client(base_url=self.address, headers=headers) as http:
            response = http.request(method, path, content=content)
        assert response.headers["Content-Type"] == "application/scim+json"
        return response.status_code, response.json() if response.content else None


@pytest.fixture(scope="session", params=["group", "instance"])
def tree(request: pytest.FixtureRequest, service: Service) -> Tree:
    """A scope of its own, with one person in it."""
    name = f"company{uuid.uuid4().hex[:6]}"
    if request.param == "group":
        service.seed({"groups": [{"path": name, "saml": {"default_membership_role": "developer"}}]})
        made = json.loads(service.manage("create_scim_token", "--group", name, "--json"))
    else:
        service.seed({"groups": [{"path": name, "saml_group_links": [{"name": "Engineers", "access_level": "developer"}]}]})
        made = json.loads(service.manage("create_scim_token", "--json"))
    return Tree(made["address"], made["token"])


def person(**changes: Any) -> dict[str, Any]:
    name = f"u{uuid.uuid4().hex[:10]}"
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "externalId": name,
        "userName": name,
        "name": {"givenName": "Given", "familyName": "Family"},
        "emails": [{"primary": True, "value": f"{name}@example.com", "type": "work"}],
        "displayName": "Given Family",
        "active": True,
        **changes,
    }


def test_scim2_tester_finds_no_error(tree: Tree) -> None:
    """Scim 4.4: with a SAML group link too, which the instance's tree has."""
    with Client(base_url=tree.address, headers={"Authorization": f"Bearer {tree.token}"}) as http:
        results = check_server(SyncSCIMClient(http))
    bad = [f"{one.title}: {one.reason}" for one in results if one.status in {Status.ERROR, Status.CRITICAL}]
    assert not bad, "\n".join(bad)
    assert sum(one.status == Status.SUCCESS for one in results) >= 25


def test_okta_reads_people(tree: Tree) -> None:
    """Scim 4.2 #28 to #31, #37, #38."""
    tree.ask("POST", "/Users", person())
    status, first = tree.ask("GET", "/Users?count=1&startIndex=1")
    assert status == 200
    assert first["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]
    assert all(type(first[name]) is int for name in ("itemsPerPage", "startIndex", "totalResults"))
    known = first["Resources"][0]
    assert all([known["id"], known["userName"], known["emails"][0]["value"], known["name"]["givenName"], known["name"]["familyName"]])
    assert type(known["active"]) is bool
    assert tree.ask("GET", f"/Users/{known['id']}") == (200, known)
    for _ in range(2):
        status, none = tree.ask("GET", '/Users?filter=userName eq "nobody@atko.com"')
        assert (status, none["totalResults"]) == (200, 0)
    status, error = tree.ask("GET", "/Users", token="non-token")
    assert (status, error["status"], bool(error["detail"])) == (401, "401", True)
    for unknown in ("010101001010101011001010101011", "00919288221112222"):
        status, error = tree.ask("GET", f"/Users/{unknown}")
        assert (status, error["status"], bool(error["detail"])) == (404, 404, True)
        assert error["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]


def test_okta_provisions_people(tree: Tree) -> None:
    """Scim 4.2 #32 to #35, #39. Okta's own suite sends no externalId: those three steps fail by design of GitLab's profile."""
    wanted = person()
    without = {name: value for name, value in wanted.items() if name != "externalId"}
    status, error = tree.ask("POST", "/Users", without, content_type="application/json")
    assert (status, error["detail"].endswith("Missing params: [:extern_uid]")) == (412, True)  # #32 and #33 fail by design
    status, made = tree.ask("POST", "/Users", wanted, content_type="application/json")
    assert (status, made["active"], made["userName"], made["name"]["familyName"]) == (201, True, wanted["userName"], "Family")
    assert tree.ask("GET", f"/Users/{made['id']}")[1]["userName"] == wanted["userName"]
    status, again = tree.ask("POST", "/Users", wanted)
    assert (status, again["id"]) == (201, made["id"])  # #34 fails by design: the same externalId is no conflict
    status, found = tree.ask("GET", f'/Users?filter=userName eq "{wanted["userName"].upper()}"')
    assert (status, found["totalResults"]) == (200, 1)
    status, _ = tree.ask("PATCH", f"/Users/{made['id']}", {"Operations": [{"op": "replace", "value": {"active": False}}]})
    assert (status, tree.ask("GET", f"/Users/{made['id']}")[1]["active"]) == (204, False)


def test_entras_sequence(tree: Tree) -> None:
    """Scim 4.3 #40 to #46."""
    wanted = person(active="True")
    uid = wanted["externalId"]
    assert tree.ask("GET", f'/Users?filter=externalId eq "{uid}"')[1]["totalResults"] == 0
    assert tree.ask("POST", "/Users", wanted)[0] == 201
    assert tree.ask("GET", f'/Users?filter=userName eq "{uid.upper()}"')[1]["Resources"][0]["externalId"] == uid
    operations = [
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "other@example.com"},
        {"op": "Add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager", "value": "x"},
        {"op": "Replace", "value": {"name.givenName": "New", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": "y"}},
    ]
    assert tree.ask("PATCH", f"/Users/{uid}", {"schemas": ["x"], "Operations": operations}) == (204, None)
    assert tree.ask("PATCH", f"/Users/{uid}", {"schemas": ["x"], "Operations": []}) == (204, None)
    assert tree.ask("PATCH", f"/Users/{uid}", {"Operations": [{"op": "Replace", "path": "active", "value": "False"}]}) == (204, None)
    status, found = tree.ask("GET", f'/Users?filter=externalId eq "{uid}"')
    assert (status, found["Resources"][0]["active"]) == (200, False)
    assert tree.ask("GET", f"/Users/{uid}")[1]["active"] is False
    assert tree.ask("PATCH", f"/Users/{uid}", {"Operations": [{"op": "Replace", "path": "active", "value": "True"}]}) == (204, None)
    assert tree.ask("DELETE", f"/Users/{uid}") == (204, None)
    assert tree.ask("DELETE", f"/Users/{uid}")[0] == 404
    assert tree.ask("GET", f"/Users/{uid}")[0] == 404
    assert tree.ask("POST", "/Users", wanted)[1]["active"] is True
    for number in range(15):
        tree.ask("POST", "/Users", person(userName=f"page{number}-{uid}"))
    for start in (1, 6, 11):
        status, page = tree.ask("GET", f"/Users?startIndex={start}&count=5")
        assert (status, page["startIndex"], len(page["Resources"])) == (200, start, 5)
