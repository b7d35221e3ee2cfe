"""JSON inside JSON, in base64 and in filters, asked of the endpoints with ids that exist: never a 500, nothing left (decisions 5).

What cannot be stored is a NUL, half a surrogate pair, a number that is none or too large, and what is nested too deeply.
"""

import base64
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from kubernetes_agent.models import AgentAuthorization
from repositories.models import Project, PushEvent
from repositories.services.access import set_member
from scim.models import Identity, SamlGroupLink
from scim.services.tokens import rotate_token, scope_of
from tests.factories import AgentFactory, UserFactory
from tests.scim.conftest import A, Provider, identity

INTERNAL = "/api/v4/internal"
UID = "11111111-2222-3333-4444-555555555555"
ZEROS = "0" * 40
TEXTS = {
    "NUL": '"\\u0000"',
    "half a pair": '"\\ud800"',
    "NaN": "NaN",
    "infinite": "1e999",
    "long": "9" * 400,
    "longer": "9" * 5000,
    "deep": "[" * 5000 + "]" * 5000,
    "twice": '{"b": 1, "b": 2}',
}
VALUES = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


def post(client: Client, path: str, **values: Any) -> Any:
    return client.post(f"{INTERNAL}/{path}", values, content_type="application/json")


@pytest.fixture
def developer(ann: User, rockets: Project) -> dict[str, Any]:
    set_member(rockets, ann, 40)
    return {"gl_repository": f"project-{rockets.pk}", "identifier": f"user-{ann.pk}", "user_id": ann.pk}


@VALUES
def test_contexts_that_gitaly_passes_through(shell: Client, developer: dict[str, Any], rockets: Project, text: str) -> None:
    """Allowed 1.3: 400 with a sentence; the rest of what a push says is not refused, and has its event."""
    context = base64.b64encode(f'{{"a": {text}}}'.encode()).decode()
    changes = f"{ZEROS} {'a' * 40} refs/heads/main"
    question = {**developer, "changes": changes, "gitaly_client_context_bin": context}
    for path in ("pre_receive", "post_receive", "lfs_authenticate"):
        answer = post(shell, path, project="acme/rockets", operation="download", **question)
        assert answer.status_code == 400, (path, answer.content)
        assert answer.json()["message"].startswith("400 Bad request - ")
    answer = post(shell, "allowed", action="git-upload-pack", protocol="ssh", project="acme/rockets", **question)
    assert answer.status_code == 400
    assert PushEvent.objects.count() == 0


@VALUES
def test_the_environment_of_a_push(shell: Client, developer: dict[str, Any], text: str) -> None:
    """Gitaly 2.4: what is not what Gitaly sends counts for nothing."""
    for env in (f'{{"GIT_OBJECT_DIRECTORY_RELATIVE": {text}}}', text):
        asked = post(shell, "allowed", action="git-upload-pack", protocol="ssh", project="acme/rockets", env=env, **developer)
        assert asked.status_code == 200, asked.content


@VALUES
def test_the_configuration_of_an_agent(kas: Client, rockets: Project, ann: User, text: str) -> None:
    """kubernetes-agent 2.3: a configuration that cannot be kept changes nothing."""
    agent = AgentFactory.create(project=rockets, created_by=ann)
    right = {"ci_access": {"projects": [{"id": "acme/rockets"}]}}
    assert post(kas, "kubernetes/agent_configuration", agent_id=agent.pk, agent_config=right).status_code == 204
    kept = list(AgentAuthorization.objects.values())
    for config in (text, f'{{"ci_access": {text}}}', f'{{"ci_access": {{"projects": [{{"id": "acme/rockets", "x": {text}}}]}}}}'):
        refused = post(kas, "kubernetes/agent_configuration", agent_id=agent.pk, agent_config=config)
        assert (refused.status_code, refused.json()) == (400, {"error": "agent_config is invalid"})
    assert list(AgentAuthorization.objects.values()) == kept != []


@pytest.fixture
def provider(db: None) -> Provider:
    return Provider(rotate_token(None)[1])


@pytest.fixture
def eve(db: None) -> User:
    """Whom the instance's identity provider knows as e1."""
    user: User = UserFactory.create(username="eve")
    identity(scope_of(None), user, "e1")
    return user


@VALUES
def test_scim_operations_in_a_string(provider: Provider, eve: User, text: str) -> None:
    """A change that cannot be read is refused: it may be a deactivation."""
    for operations in (
        f'[{{"op": "replace", "path": "active", "value": {text}}}, 1]',
        f'[{{"op": "replace", "value": {{"active": false, "x": {text}}}}}]',
        [{"op": "replace", "value": f'{{"active": false, "x": {text}}}'}],
    ):
        answer = provider.send("patch", f"{A}/Users/e1", {"schemas": ["x"], "Operations": operations})
        assert answer.status_code == 400, (operations, answer.content)
    assert Identity.objects.get(extern_uid="e1").active


@VALUES
def test_scim_groups_in_a_string(provider: Provider, eve: User, acme: Any, text: str) -> None:
    SamlGroupLink.objects.create(group=acme, name="Engineering", access_level=30, scim_group_uid=UID)
    for operations in (f'[{{"op": "add", "path": "members", "value": [{{"value": "e1", "x": {text}}}]}}]', f"[{text}]"):
        answer = provider.send("patch", f"{A}/Groups/{UID}", {"schemas": ["x"], "Operations": operations})
        assert answer.status_code == 400
    body = {"schemas": ["x"], "displayName": "Engineering", "members": f'[{{"value": "e1", "x": {text}}}]'}
    assert provider.send("put", f"{A}/Groups/{UID}", body).status_code == 400
    assert eve.scim_group_memberships.count() == 0


@VALUES
def test_scim_emails_and_names_in_a_string(provider: Provider, text: str) -> None:
    """Such a name is the text that it is; an address that cannot be read is missing."""
    body = {"externalId": "n1", "userName": "new"}
    emails = f'[{{"value": "n@example.com", "type": "work", "x": {text}}}]'
    assert provider.send("post", f"{A}/Users", {**body, "emails": emails}).status_code == 412
    right = [{"value": "n@example.com", "type": "work"}]
    name = f'{{"formatted": {text}}}'
    assert provider.send("post", f"{A}/Users", {**body, "emails": right, "name": name}).status_code in {201, 412}


@pytest.mark.parametrize("value", ['"\\u0000"', '"\\ud800"', "'\x00'", '"\x00"', '"' + "\\ud800" * 2000 + '"'])
@pytest.mark.parametrize("attribute", ["userName", "id", "externalId", "displayName"])
def test_scim_filters(provider: Provider, eve: User, attribute: str, value: str) -> None:
    kind = "Groups" if attribute == "displayName" else "Users"
    asked = f"{attribute} eq {value}"
    for answer in (provider.get(f"{A}/{kind}", {"filter": asked}), provider.send("post", f"{A}/{kind}/.search", {"filter": asked})):
        assert answer.status_code in {400, 412} or answer.json()["totalResults"] == 0, answer.content


@pytest.mark.parametrize("kind", ["Users", "Groups"])
@pytest.mark.parametrize("number", [10**30, -(10**30), 2**63, 2**63 - 1, "9" * 400, "9" * 18, [], {}, "1e999", True, 1.5])
def test_scim_pages_beyond_64_bits(provider: Provider, eve: User, acme: Any, kind: str, number: Any) -> None:
    SamlGroupLink.objects.create(group=acme, name="Engineering", access_level=30, scim_group_uid=UID)
    for name in ("startIndex", "count"):
        assert provider.send("post", f"{A}/{kind}/.search", {name: number}).status_code == 200
        assert provider.get(f"{A}/{kind}", {name: str(number)}).status_code == 200


QUERIES = ["%00", "%ff", "%ed%a0%80", "a%00b"]


@pytest.mark.parametrize("text", QUERIES)
def test_scim_queries_that_are_no_text(provider: Provider, eve: User, text: str) -> None:
    for name in ("filter", "startIndex", "count", "attributes", "excludedAttributes"):
        for kind in ("Users", "Groups", "Users/e1"):
            answer = provider.get(f"{A}/{kind}?{name}={text}")
            assert (answer.status_code, answer.json()["status"]) == (400, "400"), (kind, name, answer.content)


def test_scim_parameters_that_are_given_twice_or_as_lists(provider: Provider, eve: User) -> None:
    """Decisions 4a."""
    for query in ("filter=a&filter=b", "filter[]=a", "filter[a]=b", "count=1&count=2"):
        assert provider.get(f"{A}/Users?{query}").status_code == 400
    assert provider.get(f"{A}/Users?filter=&count=&startIndex=").status_code == 200


@pytest.mark.parametrize("text", [*QUERIES, "9" * 400, "-1", "%F0%9F%98%80", "a" * 5000])
def test_ids_in_paths(provider: Provider, eve: User, text: str) -> None:
    for kind in ("Users", "Groups"):
        for method in ("get", "delete"):
            assert getattr(provider, method)(f"{A}/{kind}/{text}").status_code == 404
        assert provider.send("patch", f"{A}/{kind}/{text}", {"schemas": ["x"], "Operations": [{"op": "add"}]}).status_code == 404
