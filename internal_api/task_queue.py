"""The queue of tasks: the package's, with one ready-made statement for a task that is enqueued."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django_tasks.base import Task
from django_tasks.utils import normalize_json
from django_tasks_db.backend import DatabaseBackend

from internal_api.ready_inserts import ReadyInsert

if TYPE_CHECKING:
    from django_tasks_db.models import DBTaskResult  # tasks are declared before models are loaded


@lru_cache(maxsize=1)
def _tasks() -> "ReadyInsert[DBTaskResult[..., Any]]":
    from django_tasks_db.models import DBTaskResult  # noqa: PLC0415  see above

    return ReadyInsert(DBTaskResult)


class QueueBackend(DatabaseBackend):
    """Stores tasks as the package does; each push enqueues one, and each delivery."""

    def _task_to_db_task(self, task: Task[..., Any], args: Any, kwargs: Any) -> "DBTaskResult[..., Any]":
        from django_tasks_db.models import DBTaskResult, get_date_max  # noqa: PLC0415  see above

        row: DBTaskResult[..., Any] = DBTaskResult(
            args_kwargs=normalize_json({"args": args, "kwargs": kwargs}),
            priority=task.priority,
            task_path=task.module_path,
            queue_name=task.queue_name,
            run_after=task.run_after or get_date_max(),
            backend_name=self.alias,
        )
        _tasks().insert([row])
        row._state.adding = False  # noqa: SLF001  Django's public name for it
        return row
