"""What workers put back on its way."""

from internal_api.sweeps import register_sweep
from repositories.services.default_branch import settle_waiting
from repositories.services.repository_sizes import measure_overdue
from repositories.services.webhook_deliveries import wake_lanes


def register() -> None:
    """Make the sweeps known."""
    register_sweep("webhook lanes", wake_lanes)
    register_sweep("sizes to be measured", measure_overdue)
    register_sweep("provisional default branches", settle_waiting)
