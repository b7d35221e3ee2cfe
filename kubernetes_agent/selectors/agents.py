"""Finding agents."""

from datetime import datetime, timedelta

from django.db.models import CharField, Exists, OuterRef, QuerySet, Subquery

from internal_api.digests import token_digest
from internal_api.errors import NotFoundError
from internal_api.ready_queries import Given, ReadyQuery
from internal_api.stored_values import is_readable
from kubernetes_agent.models import Agent, AgentToken, ReceptiveConfiguration, TokenStatus
from repositories.policy import Role
from repositories.selectors.roles import roles_in_projects

CONNECTED_WITHIN = timedelta(hours=1)
_TOKENS = ReadyQuery(
    lambda: AgentToken.objects.filter(token_digest=Given("digest", CharField()), status=TokenStatus.ACTIVE).select_related(
        "agent__project__storage", "agent__project__route", "agent__created_by"
    )
)


def find_agent_token(clear: str) -> AgentToken | None:
    """The active token of that text, with its agent, project, storage and route: one statement."""
    return _TOKENS.first(digest=token_digest(clear)) if clear else None


def get_agent(agent_id: int) -> Agent:
    """The agent of that id, with its project. Raises NotFoundError."""
    agent = Agent.objects.select_related("project__route").filter(pk=agent_id).first()
    if agent is None:
        raise NotFoundError("404 Not found")
    return agent


def is_connected(agent_id: int, now: datetime) -> bool:
    """Whether one of the agent's active tokens was used within the last hour."""
    tokens = AgentToken.objects.filter(agent_id=agent_id, status=TokenStatus.ACTIVE)
    return tokens.filter(last_used_at__gt=now - CONNECTED_WITHIN).exists()


def may_report(agent: Agent) -> bool:
    """Whether the agent's creator may keep the project's vulnerabilities: a maintainer or above (contract: decisions 20)."""
    creator = agent.created_by
    role = roles_in_projects(creator.pk, [agent.project_id]).get(agent.project_id, 0) if creator is not None else 0
    return role >= Role.MAINTAINER


def with_last_seen(agents: QuerySet[Agent], now: datetime) -> QuerySet[Agent]:
    """Annotate agents with `last_seen_at` (within an hour: uses are written once an hour at most) and `is_connected`."""
    tokens = AgentToken.objects.filter(agent=OuterRef("pk"))
    used = tokens.filter(last_used_at__isnull=False).order_by("-last_used_at").values("last_used_at")
    active = tokens.filter(status=TokenStatus.ACTIVE, last_used_at__gt=now - CONNECTED_WITHIN)
    return agents.annotate(last_seen_at=Subquery(used[:1]), is_connected=Exists(active))


def connected_agents(now: datetime) -> int:
    """How many agents have a token that was used within the last hour."""
    used = AgentToken.objects.filter(status=TokenStatus.ACTIVE, last_used_at__gt=now - CONNECTED_WITHIN)
    return used.values("agent").distinct().count()


def receptive_configurations() -> list[ReceptiveConfiguration]:
    """How kas reaches the agents that it calls; without those that cannot be read, since kas refuses the whole list for one of them."""
    return [row for row in ReceptiveConfiguration.objects.filter(active=True).order_by("agent_id") if _is_readable(row)]


def _is_readable(row: ReceptiveConfiguration) -> bool:
    return all(is_readable(row, name) for name in ("url", "private_key", "client_key"))
