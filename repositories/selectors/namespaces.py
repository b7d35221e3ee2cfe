"""Finding namespaces and projects by their full path, in any letter case."""

from collections.abc import Sequence

from django.db.models import QuerySet
from django.db.models.functions import Lower

from internal_api.text import ascii_lower
from repositories.models import Namespace, NamespaceKind, Project, Route


def _routes(full_path: str) -> QuerySet[Route]:
    return Route.objects.annotate(path_lower=Lower("path")).filter(path_lower=ascii_lower(full_path))


def find_namespace(full_path: str) -> QuerySet[Namespace]:
    """The user's own namespace or the group of that path: one row or none."""
    return Namespace.objects.filter(route__in=_routes(full_path)).select_related("route")


def routes_of(full_paths: Sequence[str]) -> dict[str, Route]:
    """The routes of these paths, by the path in lower case, with their namespaces or projects: one query."""
    lower = {ascii_lower(path) for path in full_paths}
    found = Route.objects.annotate(path_lower=Lower("path")).filter(path_lower__in=lower).select_related("namespace", "project")
    routes: dict[str, Route] = {ascii_lower(route.path): route for route in found}
    for route in routes.values():
        owner: Namespace | Project | None = route.namespace or route.project
        if owner is not None:
            owner.route = route
    return routes


def find_group(full_path: str) -> Namespace | None:
    """The group of that path."""
    return find_namespace(full_path).filter(kind=NamespaceKind.GROUP).first()


def find_project(full_path: str) -> QuerySet[Project]:
    """The project of that path: one row or none."""
    return Project.objects.filter(route__in=_routes(full_path)).select_related("route")
