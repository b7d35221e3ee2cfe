"""What a push leaves to a worker. A server enqueues it, and loads nothing of what the worker does."""

from django_tasks import task

from internal_api.task_context import of_request
from repositories.models import PushEvent

FIRST = 10
"""Priority over deliveries, which wait for other people's servers."""


@task(priority=FIRST)
def follow_push(push_event_id: int, request_id: str = "", traceparent: str = "") -> None:
    """Do what follows a push, and any earlier one of the same project that is still to be followed.

    May run again, or side by side with others: each push is followed once, those of one project in their order, and what that
    writes is written together with the mark that it was done.
    """
    from repositories.services.default_branch import settle_quietly  # noqa: PLC0415  see above
    from repositories.services.follow_up import follow_project  # noqa: PLC0415  see above
    from repositories.services.repository_sizes import size_may_have_changed  # noqa: PLC0415  see above

    with of_request(request_id):
        event = PushEvent.objects.filter(pk=push_event_id).only("project_id").first()
        if event is not None and event.project_id is not None:
            follow_project(event.project_id)
            settle_quietly(event.project_id)
            size_may_have_changed(event.project_id)
