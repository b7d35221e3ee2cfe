"""A caller that holds every credential there is, for the tests that go over all addresses; and what each dialect says to strangers."""

from typing import Any

from django.test import Client

from accounts.services.personal_access_tokens import create_token
from internal_api.service_secrets import service_secrets
from internal_api.service_tokens import KAS, SHELL, WORKHORSE
from kubernetes_agent.models import Agent
from kubernetes_agent.services.tokens import create_agent_token
from scim.serializers import ERROR
from scim.services.tokens import rotate_token
from tests.factories import AgentFactory, UserFactory

AGENT_TOKEN = "glagent-of-the-insider"  # shorter than any that is generated
SCIM_TOKEN = "glsoat-of-the-insider"
PERSONAL_TOKEN = "glpat-of-the-insider"


def is_for_kas(address: str) -> bool:
    return "/kubernetes/" in address or "/agents/" in address


def concrete(route: str) -> str:
    """An address that a route stands for."""
    route = (
        route.replace("(?P<group_path>[^/]+)", "insiders")
        .replace("[^/]+", "nothing")
        .replace("^", "")
        .replace("$", "")
        .replace("(?P<group_path>.+)", "insiders")
    )
    route = route.replace("(?P<identifier>.+)", "somebody").replace("(?:Me|Bulk)", "Me")
    route = route.replace("(?P<namespace>.+)", "1")
    return route.replace("[\\s\\S]*", "nothing").replace(".*", "nothing").replace(".+", "nothing").replace("\\.", ".")


def refusal(address: str) -> dict[str, Any]:
    """The body of a 401 at this address."""
    if "/scim/" in address:
        return {"schemas": [ERROR], "detail": "Unauthorized", "status": "401", "message": "401 Unauthorized"}
    if address == "/api/v4/geo/proxy":
        return {"message": "403 Forbidden"}
    return {"message": "KAS JWT authentication invalid" if is_for_kas(address) else "401 Unauthorized"}


def insider_client() -> Client:
    """The caller; its agent is made when it is not there."""
    if not Agent.objects.exists():
        insider = UserFactory.create(username="insider", admin=True)
        create_token(user=insider, name="insider", scopes=["api"], expires_at=None, token=PERSONAL_TOKEN)
        agent = AgentFactory.create(created_by=insider)
        create_agent_token(agent=agent, name="insider", token=AGENT_TOKEN)
        rotate_token(None, token=SCIM_TOKEN)
    return Client(
        headers={
            "gitlab-shell-api-request": SHELL.issue(service_secrets(SHELL)[0], lifetime=3600),
            "gitlab-kas-api-request": KAS.issue(service_secrets(KAS)[0], lifetime=3600),
            "gitlab-workhorse-api-request": WORKHORSE.issue(service_secrets(WORKHORSE)[0], lifetime=3600),
            "gitlab-workhorse": "18.9",
            "gitlab-agent-api-request": AGENT_TOKEN,
            "private-token": PERSONAL_TOKEN,
            "authorization": f"Bearer {SCIM_TOKEN}",
        }
    )
