"""Full paths: where something is now, and where it used to be."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Lower

from internal_api.models import Audited
from repositories.models.namespace import Namespace
from repositories.models.project import Project

_ONE_SOURCE = models.Q(namespace__isnull=False, project__isnull=True) | models.Q(namespace__isnull=True, project__isnull=False)


class Route(models.Model):
    """The full path of a namespace or a project; unique in any letter case over all of them."""

    path = models.CharField(max_length=1024)
    namespace = models.OneToOneField(Namespace, on_delete=models.CASCADE, null=True, related_name="route")
    project = models.OneToOneField(Project, on_delete=models.CASCADE, null=True, related_name="route")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("path"), name="route_path_unique"),
            models.CheckConstraint(condition=_ONE_SOURCE, name="route_one_source"),
        ]

    def __str__(self) -> str:
        return self.path


class RedirectRoute(Audited):
    """A former path that still leads to its project or namespace."""

    path = models.CharField(max_length=1024)
    namespace = models.ForeignKey(Namespace, on_delete=models.CASCADE, null=True, related_name="redirect_routes")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, related_name="redirect_routes")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("path"), name="redirect_route_path_unique"),
            models.CheckConstraint(condition=_ONE_SOURCE, name="redirect_route_one_source"),
        ]

    def __str__(self) -> str:
        return self.path
