"""Agents and their tokens: making, revoking, and noticing their use (contract: kubernetes-agent 1.2)."""

import logging
import random
import secrets
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from accounts.services.users import first_sentence
from internal_api.digests import token_digest
from internal_api.stored_values import validate_fields
from kubernetes_agent.errors import InvalidAgentError
from kubernetes_agent.models import Agent, AgentEvent, AgentEventKind, AgentToken, TokenStatus
from kubernetes_agent.selectors.agents import is_connected
from repositories.models import Project

logger = logging.getLogger(__name__)
PREFIX = "glagent-"
MOST_ACTIVE_TOKENS = 2
LEAST_PAUSE, LONGEST_PAUSE = 40, 55  # minutes between two writes of the same token's use


def create_agent(*, project: Project, name: str, created_by: User | None = None, **fields: Any) -> Agent:
    """An agent of a project. Raises InvalidAgentError."""
    agent = Agent(project=project, name=name, created_by=created_by, **fields)
    try:
        agent.full_clean(validate_unique=False, validate_constraints=False)
        with transaction.atomic():
            agent.save(force_insert=True)
    except ValidationError as error:
        raise InvalidAgentError(f"Agent {name!r} is not accepted: {first_sentence(error)}") from error
    except IntegrityError as error:
        raise InvalidAgentError(f"Agent {name!r} is not accepted: the project has one of that name, or the id is taken.") from error
    return agent


def create_agents(agents: Sequence[Agent]) -> None:
    """Insert new agents, all or none. Raises InvalidValueError, or IntegrityError for a name or an id that is taken."""
    for agent in agents:
        validate_fields(agent)
    Agent.objects.bulk_create(agents)


def new_agent_token(
    *, agent: Agent, name: str, token: str | None = None, status: str = TokenStatus.ACTIVE, **fields: Any
) -> tuple[AgentToken, str]:
    """A token that is not saved yet, nor validated, and its clear text."""
    clear = token or PREFIX + secrets.token_urlsafe(38)
    return AgentToken(agent=agent, name=name, status=status, token_digest=token_digest(clear), **fields), clear


def create_agent_tokens(tokens: Sequence[AgentToken]) -> None:
    """Insert new tokens of any number of agents, all or none, with a fixed number of queries.

    Raises InvalidValueError, InvalidAgentError for a third active one, or IntegrityError for a token or an id that is in use.
    """
    for token in tokens:
        validate_fields(token)
    with transaction.atomic():
        _refuse_thirds(tokens)
        AgentToken.objects.bulk_create(tokens)
        events = [AgentEvent(agent_id=row.agent_id, token=row, user=row.created_by, kind=AgentEventKind.TOKEN_CREATED) for row in tokens]
        AgentEvent.objects.bulk_create(events)


def create_agent_token(
    *,
    agent: Agent,
    name: str,
    description: str = "",
    created_by: User | None = None,
    token: str | None = None,
    status: str = TokenStatus.ACTIVE,
    **fields: Any,
) -> tuple[AgentToken, str]:
    """A token and its clear text, shown this once. Raises InvalidAgentError for a third active one."""
    told: dict[str, Any] = {"description": description, "created_by": created_by, "status": status}
    row, clear = new_agent_token(agent=agent, name=name, token=token, **told, **fields)
    try:
        row.full_clean(validate_unique=False, validate_constraints=False)
        with transaction.atomic():
            _refuse_thirds([row])
            row.save(force_insert=True)
            AgentEvent.objects.create(agent=agent, token=row, user=created_by, kind=AgentEventKind.TOKEN_CREATED)
    except ValidationError as error:
        raise InvalidAgentError(f"The token is not accepted: {first_sentence(error)}") from error
    except IntegrityError as error:
        raise InvalidAgentError("The token, or its id, is in use already.") from error
    return row, clear


def _refuse_thirds(new: Sequence[AgentToken]) -> None:
    """Lock the agents of new tokens. Raises InvalidAgentError for one that would have too many active ones."""
    agents = {token.agent_id for token in new}
    list(Agent.objects.select_for_update().filter(pk__in=agents).order_by("pk").values_list("pk"))
    active = Counter(AgentToken.objects.filter(agent__in=agents, status=TokenStatus.ACTIVE).values_list("agent_id", flat=True))
    for token in new:
        active[token.agent_id] += token.status == TokenStatus.ACTIVE
        if token.status == TokenStatus.ACTIVE and active[token.agent_id] > MOST_ACTIVE_TOKENS:
            raise InvalidAgentError("An agent can have only two active tokens at a time")


def revoke_agent_token(token: AgentToken, *, user: User | None = None) -> bool:
    """Make a token worthless at once; whether it was good for anything."""
    with transaction.atomic():
        revoked = AgentToken.objects.filter(pk=token.pk, status=TokenStatus.ACTIVE).update(status=TokenStatus.REVOKED) > 0
        if revoked:
            AgentEvent.objects.create(agent_id=token.agent_id, token=token, user=user, kind=AgentEventKind.TOKEN_REVOKED)
    return revoked


def rotate_agent_token(token: AgentToken, *, user: User | None = None) -> tuple[AgentToken, str]:
    """A new token of the same name in place of this one, which is worthless from now on. Raises InvalidAgentError."""
    with transaction.atomic():
        revoke_agent_token(token, user=user)
        return create_agent_token(agent=token.agent, name=token.name, description=token.description, created_by=user)


def record_token_use(token: AgentToken) -> None:
    """A token was shown; written about once an hour. An agent that had been away is connected again. Never fails the request."""
    now = timezone.now()
    pause = timedelta(minutes=random.randint(LEAST_PAUSE, LONGEST_PAUSE))  # noqa: S311  spreads writes, guards nothing
    if token.last_used_at is not None and token.last_used_at > now - pause:
        return
    try:
        with transaction.atomic():
            if not is_connected(token.agent_id, now):
                AgentEvent.objects.create(agent_id=token.agent_id, token=token, kind=AgentEventKind.AGENT_CONNECTED, recorded_at=now)
            AgentToken.objects.filter(pk=token.pk).update(last_used_at=now)
    except DatabaseError as error:
        logger.warning("The use of an agent token could not be written down: %s", error)
