"""What a task knows of the request that it comes from: its id, for log lines, and its trace."""

from collections.abc import Iterator
from contextlib import contextmanager

from django_tasks_db.models import DBTaskResult

from internal_api import tracing
from internal_api.logs import correlation_id


def passed_on() -> dict[str, str]:
    """Return the keyword arguments by which a task takes over the request under way; each task has them as parameters."""
    passed = {"request_id": correlation_id.get()}
    if tracing.ENABLED:
        passed[tracing.TRACEPARENT] = tracing.traceparent()
    return passed


@contextmanager
def of_request(request_id: str) -> Iterator[None]:
    """Let the log lines of the block have the id of a request; an unknown one changes nothing."""
    token = correlation_id.set(request_id or correlation_id.get())
    try:
        yield
    finally:
        correlation_id.reset(token)


@contextmanager
def running_task(task: "DBTaskResult[..., object]") -> Iterator[None]:
    """Let the log lines of a task, those of the queue included, have the id of its request; its span goes on with its trace."""
    passed = task.args_kwargs.get("kwargs", {})
    name = task.task_path.rpartition(".")[2]
    told = {"control_plane.request_id": passed.get("request_id"), "control_plane.task": name, "messaging.message.id": str(task.pk)}
    with of_request(passed.get("request_id", "")), tracing.span(f"task {name}", "CONSUMER", told, parent=passed.get(tracing.TRACEPARENT)):
        yield
