"""Try failed background tasks again."""

from typing import Any

from internal_api.management.operator import OperatorCommand
from internal_api.sweeps import retry_failed


class Command(OperatorCommand):
    """`retry_tasks`."""

    help = "Try all failed background tasks again, those too that have failed for good."

    def act(self, **options: Any) -> dict[str, Any]:
        return {"tasks": retry_failed()}
