"""Finding namespaces and projects by their full path, in any letter case."""

from django.db.models import QuerySet
from django.db.models.functions import Lower

from internal_api.text import ascii_lower
from repositories.models import Namespace, NamespaceKind, Project, Route


def _routes(full_path: str) -> QuerySet[Route]:
    return Route.objects.annotate(path_lower=Lower("path")).filter(path_lower=ascii_lower(full_path))


def find_namespace(full_path: str) -> QuerySet[Namespace]:
    """The user's own namespace or the group of that path: one row or none."""
    return Namespace.objects.filter(route__in=_routes(full_path)).select_related("route")


def find_group(full_path: str) -> Namespace | None:
    """The group of that path."""
    return find_namespace(full_path).filter(kind=NamespaceKind.GROUP).first()


def find_project(full_path: str) -> QuerySet[Project]:
    """The project of that path: one row or none."""
    return Project.objects.filter(route__in=_routes(full_path)).select_related("route")
