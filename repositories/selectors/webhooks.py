"""Which webhooks are told of a project's pushes."""

from django.db.models import Q, QuerySet

from repositories.models import Project, Webhook


def webhooks_of(project_id: int) -> QuerySet[Webhook]:
    """Those that are active, of the project, of the groups it lies in, and of the instance, in the order they were made."""
    ancestors = Project.objects.filter(pk=project_id).values("namespace__lineage__ancestor")
    return Webhook.objects.filter(Q(project_id=project_id) | Q(namespace__in=ancestors) | Q(instance=True), active=True).order_by("pk")
