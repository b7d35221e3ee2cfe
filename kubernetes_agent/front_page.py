"""What the front page tells of agents."""

from django.urls import reverse
from django.utils import timezone

from internal_api.front_page import Line, Panel, register_panel
from kubernetes_agent.models import Agent, Vulnerability, VulnerabilityState
from kubernetes_agent.selectors.agents import connected_agents


def _agents() -> Panel:
    open_states = (VulnerabilityState.DETECTED, VulnerabilityState.CONFIRMED)
    return Panel(
        "Kubernetes agents",
        [
            Line("Agents", str(Agent.objects.count()), address=reverse("admin:kubernetes_agent_agent_changelist")),
            Line("connected", str(connected_agents(timezone.now()))),
            Line(
                "Open vulnerabilities",
                str(Vulnerability.objects.filter(state__in=open_states).count()),
                address=reverse("admin:kubernetes_agent_vulnerability_changelist"),
            ),
            Line("Usage", "counters", address=reverse("admin:kubernetes_agent_usagecounter_changelist")),
        ],
    )


def register() -> None:
    """Make the panel known."""
    register_panel("agents", 60, _agents)
