"""Which webhooks are told of a project's pushes."""

from django.db.models import BigIntegerField, Q, QuerySet

from internal_api.ready_queries import Given, ReadyQuery
from repositories.models import Project, Webhook

_WEBHOOKS = ReadyQuery(lambda: _of(Given("project", BigIntegerField())))


def webhooks_of(project_id: int) -> list[Webhook]:
    """Those that are active, of the project, of the groups it lies in, and of the instance, in the order they were made."""
    return _WEBHOOKS.all(project=project_id)


def _of(project_id: Given) -> QuerySet[Webhook]:
    ancestors = Project.objects.filter(pk=project_id).values("namespace__lineage__ancestor")
    return Webhook.objects.filter(Q(project_id=project_id) | Q(namespace__in=ancestors) | Q(instance=True), active=True).order_by("pk")
