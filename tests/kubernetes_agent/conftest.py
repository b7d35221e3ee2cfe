"""An agent of rockets, made by ann, who maintains it, and kas speaking for it."""

import pytest
from django.test import Client

from accounts.models import User
from internal_api.service_secrets import service_secrets
from internal_api.service_tokens import KAS
from kubernetes_agent.models import Agent
from kubernetes_agent.services.tokens import create_agent_token
from repositories.models import Project
from repositories.services.access import set_member
from tests.factories import AgentFactory

TOKEN = "glagent-the-token-of-the-agent-of-the-tests-long-enough"  # no token that anything made


@pytest.fixture
def production(rockets: Project, ann: User) -> Agent:
    """The agent."""
    set_member(rockets, ann, 40)
    agent = AgentFactory.create(project=rockets, created_by=ann)
    create_agent_token(agent=agent, name="first", token=TOKEN)
    return agent


@pytest.fixture
def agent_caller(production: Agent) -> Client:
    """Kas, with the agent's token."""
    return Client(headers={"gitlab-kas-api-request": KAS.issue(service_secrets(KAS)[0], lifetime=3600), "gitlab-agent-api-request": TOKEN})
