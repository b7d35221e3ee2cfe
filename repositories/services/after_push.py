"""What a push leaves to a worker. A server enqueues it, and loads nothing of what the worker does."""

from django.utils import timezone
from django_tasks import task

from internal_api.statements import fetch_row, moment
from internal_api.task_context import of_request

FIRST = 10
"""Priority over deliveries, which wait for other people's servers."""
# The project, whether its default branch is uncertain, and whether a measurement of its size waits for its time.
_PROJECT = """
SELECT p.id, p.empty OR p.default_branch_is_provisional, p.size_is_due AND p.size_measured_at > %(a_minute_ago)s
FROM repositories_pushevent e JOIN repositories_project p ON p.id = e.project_id WHERE e.id = %(event)s"""


@task(priority=FIRST)
def follow_push(push_event_id: int, request_id: str = "", traceparent: str = "") -> None:
    """Do what follows a push, and any earlier one of the same project that is still to be followed.

    May run again, or side by side with others: each push is followed once, those of one project in their order, and what that
    writes is written together with the mark that it was done.
    """
    from repositories.services.default_branch import settle_quietly  # noqa: PLC0415  see above
    from repositories.services.follow_up import follow_project  # noqa: PLC0415  see above
    from repositories.services.repository_sizes import INTERVAL, size_may_have_changed  # noqa: PLC0415  see above

    with of_request(request_id):
        found = fetch_row(_PROJECT, {"event": push_event_id, "a_minute_ago": moment(timezone.now() - INTERVAL)})
        if found is not None:
            project_id, is_uncertain, is_waiting = found
            follow_project(project_id)
            if is_uncertain:
                settle_quietly(project_id)
            if not is_waiting:
                size_may_have_changed(project_id)
