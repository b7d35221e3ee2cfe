"""Whose stored values the doctor looks at."""

from internal_api.stored_value_checks import register_models
from kubernetes_agent.models import Agent, AgentToken, ReceptiveConfiguration, SecurityPolicy


def register() -> None:
    """Make the models known."""
    register_models(Agent, AgentToken, ReceptiveConfiguration, SecurityPolicy)
