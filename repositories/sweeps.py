"""What workers put back on its way."""

from internal_api.sweeps import register_sweep
from repositories.services.default_branch import settle_waiting
from repositories.services.webhook_deliveries import wake_lanes


def register() -> None:
    """Make the sweeps known."""
    register_sweep("webhook lanes", wake_lanes)
    register_sweep("provisional default branches", settle_waiting)
