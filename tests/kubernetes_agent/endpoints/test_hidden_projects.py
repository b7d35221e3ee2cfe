"""An agent is told the same of a hidden project as of a missing one (contract: decisions 20, kubernetes-agent 2.2).

Projects are hidden in every way there is, and named by id, path, former path, in capitals and as a wiki; whole answers are compared.
"""

from typing import Any

import pytest
from django.test import Client

from kubernetes_agent.models import Agent
from kubernetes_agent.services.tokens import create_agent_token
from repositories.models import Namespace, Project
from repositories.services.projects import add_redirect
from tests.factories import AgentFactory, GroupFactory, ProjectFactory, UserFactory
from tests.kubernetes_agent.endpoints.test_agent_info import PROJECT, VERIFY

PER_REQUEST = {"X-Request-Id", "Date"}
HIDDEN: dict[str, dict[str, Any]] = {
    "private": {},
    "internal": {"visibility": "internal"},
    "repository for members": {"visibility": "public", "repository_access_level": "private"},
    "repository switched off": {"visibility": "public", "repository_access_level": "disabled"},
    "archived": {"archived": True},
    "with an agent of its own": {},
}


def whole_answer(client: Client, url: str, **query: str) -> tuple[int, bytes, dict[str, str]]:
    response = client.get(url, query)
    return response.status_code, response.content, {name: value for name, value in response.items() if name not in PER_REQUEST}


@pytest.mark.parametrize("where", ["a foreign group", "a user's namespace", "the agent's own group"])
@pytest.mark.parametrize("how", HIDDEN)
@pytest.mark.parametrize("url", [PROJECT, VERIFY])
def test_a_hidden_project_is_a_missing_one(
    agent_caller: Client, production: Agent, acme: Namespace, url: str, how: str, where: str
) -> None:
    bob = UserFactory.create(username="bob")
    namespaces = {
        "a foreign group": GroupFactory.create(path="foreign"),
        "a user's namespace": bob.namespace,
        "the agent's own group": acme,
    }
    project = ProjectFactory.create(path="secret", namespace=namespaces[where])
    Project.objects.filter(pk=project.pk).update(**HIDDEN[how])
    add_redirect(project, "former/secret")
    if how == "with an agent of its own":
        create_agent_token(agent=AgentFactory.create(project=project, created_by=bob), name="first")
    missing = whole_answer(agent_caller, url, id="no/where")
    assert (missing[0], missing[1]) == (404, b'{"message":"404 Not Found"}')
    path = project.route.path
    for identifier in (str(project.pk), path, path.upper(), f"{path}.wiki", "former/secret", f"/{path}/", f"{path}.git"):
        assert whole_answer(agent_caller, url, id=identifier) == missing, identifier
    assert whole_answer(agent_caller, url, id="999999") == missing
