"""What workers put back on its way."""

from internal_api.sweeps import register_sweep
from repositories.services.webhook_deliveries import wake_lanes


def register() -> None:
    """Make the sweep known."""
    register_sweep("webhook lanes", wake_lanes)
