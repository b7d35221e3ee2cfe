"""What administrators see of agents: which are connected, and what each is open to."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from kubernetes_agent.models import Agent, AgentAuthorization, AgentToken
from tests.factories import UserFactory

AGENTS = "/admin/kubernetes_agent/agent/"
AUTHORIZATIONS = "/admin/kubernetes_agent/agentauthorization/"


@pytest.fixture
def administrator(db: None) -> Client:
    """Signed in to the admin site."""
    UserFactory.create(username="root", admin=True, password="correct horse battery")
    client = Client()
    answer = client.post("/admin/login/", {"username": "root", "password": "correct horse battery"})
    assert answer.status_code == 302
    return client


@pytest.mark.parametrize(
    ("hours", "shown"),
    [(None, ("False", "never")), (0, ("True", "")), (2, ("False", ""))],
)
def test_the_list_says_whether_an_agent_is_connected(
    administrator: Client, production: Agent, hours: int | None, shown: tuple[str, str]
) -> None:
    used = None if hours is None else timezone.now() - timedelta(hours=hours)
    AgentToken.objects.filter(agent=production).update(last_used_at=used)
    page = administrator.get(AGENTS).content.decode()
    connected, last_seen = shown
    assert f'alt="{connected}"' in page.partition("field-connected")[2].partition("</td>")[0]
    assert last_seen in page.partition("field-last_seen")[2].partition("</td>")[0]
    assert "acme/rockets" in page.partition("field-project_path")[2].partition("</td>")[0]


def test_authorizations_have_the_full_path_of_their_place(administrator: Client, production: Agent) -> None:
    AgentAuthorization.objects.create(agent=production, kind="ci_access", project=production.project, config={})
    AgentAuthorization.objects.create(agent=production, kind="ci_access", group=production.project.namespace, config={})
    page = administrator.get(AUTHORIZATIONS).content.decode()
    assert "project acme/rockets" in page
    assert "group acme<" in page
