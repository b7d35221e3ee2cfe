"""Whose stored values the doctor looks at, and whether kas can be told of pushes."""

from collections.abc import Iterator

from django.conf import settings

from internal_api.doctor import Consultation, Finding, problem, register_check, well
from internal_api.service_tokens import UnusableSecretError
from internal_api.stored_value_checks import register_models
from kubernetes_agent.models import Agent, AgentToken, ReceptiveConfiguration, SecurityPolicy

SECONDS = 3.0


def _kas(_: Consultation) -> Iterator[Finding]:
    """Whether kas' own API can be connected to, where its address is set."""
    if not settings.KAS_ADDRESS:
        yield well("kas", "is told nothing of pushes: KAS_ADDRESS is empty, and agents ask every 20 seconds by themselves")
        return
    from kubernetes_agent.kas import client  # noqa: PLC0415  gRPC is for those who have a kas

    try:
        client.token()
    except (OSError, UnusableSecretError) as error:
        yield problem("kas", f"has no secret: {error}", "Let KAS_API_SECRET_FILE name kas' api.listen.authentication_secret_file.")
        return
    if client.wait_until_reachable(SECONDS):
        yield well("kas", f"{settings.KAS_ADDRESS} can be connected to")
    else:
        advice = "Let KAS_ADDRESS be the address of api.listen in kas' configuration, grpcs:// where it has a certificate."
        yield problem("kas", f"{settings.KAS_ADDRESS} cannot be connected to", advice)


def register() -> None:
    """Make the models and the check known."""
    register_models(Agent, AgentToken, ReceptiveConfiguration, SecurityPolicy)
    register_check("kas", 16, _kas)
