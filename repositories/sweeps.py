"""What workers put back on its way."""

from datetime import datetime, timedelta

from django.conf import settings

from internal_api.sweeps import register_sweep
from repositories.models import PendingPush
from repositories.services.default_branch import settle_waiting
from repositories.services.pending_pushes import PATIENCE
from repositories.services.repository_sizes import measure_overdue
from repositories.services.webhook_deliveries import wake_lanes


def _recover_pushes(now: datetime) -> int:
    _end_waits_of_a_wrong_clock(now)
    if not PendingPush.objects.filter(due_at__lte=now).exists():
        return 0
    from repositories.services.push_recovery import recover_pushes  # noqa: PLC0415  gRPC is loaded when a push is due

    return recover_pushes(now)


def _end_waits_of_a_wrong_clock(now: datetime) -> None:
    """A push that is due later than any can be was noted while a clock was ahead: it counts as one of now."""
    after = timedelta(seconds=settings.PUSH_RECOVERY_AFTER)
    PendingPush.objects.filter(due_at__gt=now + (PATIENCE + 1) * after).update(created_at=now, due_at=now + after)


def register() -> None:
    """Make the sweeps known."""
    register_sweep("webhook lanes", wake_lanes)
    register_sweep("sizes to be measured", measure_overdue)
    register_sweep("provisional default branches", settle_waiting)
    register_sweep("pushes that were not reported", _recover_pushes)
