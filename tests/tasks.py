"""Background work done at once, in the test's own transaction."""

from django_tasks.base import TaskResultStatus
from django_tasks_db.models import DBTaskResult


def run_tasks() -> int:
    """Run what is ready, and what that makes ready, as a worker would; how many tasks there were."""
    number = 0
    while (row := DBTaskResult.objects.ready().first()) is not None:
        row.claim("the tests")
        row.task.call(*row.args_kwargs["args"], **row.args_kwargs["kwargs"])
        DBTaskResult.objects.filter(pk=row.pk).update(status=TaskResultStatus.SUCCESSFUL)
        number += 1
    return number
