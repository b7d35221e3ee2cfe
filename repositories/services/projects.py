"""Making projects."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Lower

from internal_api.stored_values import validate_fields
from internal_api.text import ascii_lower
from repositories.errors import InvalidProjectError
from repositories.models import Namespace, Project, RedirectRoute, Route, Storage
from repositories.policy.repository_path import RESERVED_PROJECT_NAMES
from repositories.services.namespaces import segment_problem
from repositories.signals import project_moved

DEFAULT_STORAGE = "default"


def default_storage() -> Storage:
    """Where a project goes that names no storage: the one called default, or else the only one there is, or a new one."""
    named = Storage.objects.filter(name=DEFAULT_STORAGE).first() or Storage.objects.order_by("pk").first()
    return named or Storage.objects.create(name=DEFAULT_STORAGE)


def new_project(*, path: str, namespace: Namespace, storage: Storage, name: str = "", **fields: Any) -> Project:
    """A project that is not saved yet. Raises InvalidProjectError."""
    problem = segment_problem(path) or ("The name is reserved." if path.lower() in RESERVED_PROJECT_NAMES else None)
    if problem:
        raise InvalidProjectError(f"Project {path!r} is not accepted: {problem}")
    return Project(path=path, name=name or path, namespace=namespace, storage=storage, **fields)


def create_projects(projects: Sequence[Project]) -> None:
    """Insert new projects with their routes, all or none, with a fixed number of statements; their namespaces' routes are at hand.

    Raises InvalidValueError, or IntegrityError for a path or an id that is taken.
    """
    for project in projects:
        validate_fields(project)
    with transaction.atomic():
        Project.objects.bulk_create(projects)
        routes = [Route(path=f"{project.namespace.route.path}/{project.path}", project=project) for project in projects]
        Route.objects.bulk_create(routes)
        paths = [ascii_lower(route.path) for route in routes]
        RedirectRoute.objects.annotate(path_lower=Lower("path")).filter(path_lower__in=paths).delete()


def create_project(*, path: str, namespace: Namespace, name: str = "", storage: Storage | None = None, **fields: Any) -> Project:
    """A project with its route. Its repository at Gitaly is made by the caller. Raises InvalidProjectError."""
    try:
        with transaction.atomic():
            project = new_project(path=path, name=name, namespace=namespace, storage=storage or default_storage(), **fields)
            project.full_clean()
            project.save(force_insert=True)
            full_path = f"{namespace.route.path}/{path}"
            Route.objects.create(path=full_path, project=project)
            RedirectRoute.objects.filter(path__iexact=full_path).delete()
    except ValidationError as error:
        raise InvalidProjectError(f"Project {path!r} is not accepted: {'; '.join(error.messages)}") from error
    except IntegrityError as error:
        raise InvalidProjectError(f"Project {path!r} is not accepted: the path or the id is taken.") from error
    return project


def add_redirect(project: Project, path: str) -> bool:
    """Let a former path lead to a project; whether that is new. Raises InvalidProjectError when it leads elsewhere."""
    existing = RedirectRoute.objects.filter(path__iexact=path).first()
    if existing is None:
        try:
            with transaction.atomic():
                RedirectRoute.objects.create(path=path, project=project)
        except IntegrityError:  # somebody was quicker
            existing = RedirectRoute.objects.get(path__iexact=path)
        else:
            return True
    if existing.project_id != project.pk:
        raise InvalidProjectError(f"{path!r} leads to another project already.")
    return False


def move_project(project: Project, namespace: Namespace, path: str) -> str:
    """Give a project another place or name; its former path leads to it, and is returned. Raises InvalidProjectError.

    The repository at Gitaly stays where it is: hashed storage goes by the project's id.
    """
    problem = segment_problem(path) or ("The name is reserved." if path.lower() in RESERVED_PROJECT_NAMES else None)
    if problem:
        raise InvalidProjectError(f"Project {path!r} is not accepted: {problem}")
    new_path = f"{namespace.route.path}/{path}"
    try:
        with transaction.atomic():
            locked = Project.objects.select_for_update().get(pk=project.pk)
            former, former_root = locked.route.path, locked.namespace.root_id
            if former == new_path:
                raise InvalidProjectError(f"The project is at {former!r} already.")
            locked.namespace, locked.path = namespace, path
            locked.save(update_fields=["namespace", "path", "updated_at"])
            Route.objects.filter(project=locked).update(path=new_path)
            RedirectRoute.objects.filter(path__iexact=new_path).delete()
            if former.lower() != new_path.lower():
                add_redirect(locked, former)
            project_moved.send(sender=Project, project=locked, former_root_id=former_root)
    except IntegrityError as error:
        raise InvalidProjectError(f"Project {new_path!r} is not accepted: the path is taken.") from error
    return former


def set_archived(project: Project, archived: bool) -> bool:
    """Close a project to pushes, or open it again; whether that is new."""
    return Project.objects.filter(pk=project.pk).exclude(archived=archived).update(archived=archived) > 0
