"""Making and moving namespaces: their routes and lineage are kept in step here and nowhere else."""

import re
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.dispatch import receiver

from accounts.models import User
from accounts.signals import users_created
from internal_api.stored_values import validate_fields
from repositories.errors import InvalidNamespaceError
from repositories.models import Namespace, NamespaceKind, NamespaceLineage, Route
from repositories.policy.repository_path import RESERVED_TOP_LEVEL_NAMES

PATH_SEGMENT = re.compile(r"\A[a-zA-Z0-9_.][a-zA-Z0-9_.-]*(?<![.-])\Z")
_FORBIDDEN_ENDINGS = (".git", ".atom")


def segment_problem(path: str) -> str | None:
    """What is wrong with one segment of a path, as a sentence; None when nothing is (contract: allowed 3.5)."""
    if not PATH_SEGMENT.match(path) or len(path) > 255:  # noqa: PLR2004  the column's length
        return "A path has letters, digits, '_', '-' and '.', does not start with '-' and does not end in '-' or '.'."
    if path.lower().endswith(_FORBIDDEN_ENDINGS):
        return "A path does not end in '.git' or '.atom'."
    return None


def _insert(namespace: Namespace) -> Namespace:
    """Save a namespace with its root, lineage and route, all or nothing."""
    parent = namespace.parent
    full_path = _full_path(namespace)
    namespace.full_clean(exclude=["root"])
    namespace.save(force_insert=True)
    namespace.root_id = parent.root_id if parent else namespace.pk
    namespace.save(update_fields=["root"])
    NamespaceLineage.objects.bulk_create(_lineage(namespace))
    Route.objects.create(path=full_path, namespace=namespace)
    return namespace


def _insert_together(namespaces: Sequence[Namespace]) -> None:
    """The same for some that are all of one level, with a fixed number of statements. The parents have their routes and lineage at hand.

    Raises InvalidValueError, or IntegrityError for a path or an id that is taken.
    """
    for namespace in namespaces:
        validate_fields(namespace)
        namespace.root_id = namespace.parent.root_id if namespace.parent else None
    # Made first, so that each event finds its path without a query.
    routes = [Route(path=_full_path(namespace), namespace=namespace) for namespace in namespaces]
    Namespace.objects.bulk_create(namespaces)
    tops = [namespace for namespace in namespaces if namespace.parent is None]
    Namespace.objects.filter(pk__in=[top.pk for top in tops]).update(root=F("pk"))
    for top in tops:
        top.root_id = top.pk
    NamespaceLineage.objects.bulk_create([row for namespace in namespaces for row in _lineage(namespace)])
    Route.objects.bulk_create(routes)


def _lineage(namespace: Namespace) -> list[NamespaceLineage]:
    above = [(row.ancestor_id, row.depth + 1) for row in namespace.parent.lineage.all()] if namespace.parent else []
    return [NamespaceLineage(namespace=namespace, ancestor_id=ancestor, depth=depth) for ancestor, depth in [(namespace.pk, 0), *above]]


def _full_path(namespace: Namespace) -> str:
    return f"{namespace.parent.route.path}/{namespace.path}" if namespace.parent else namespace.path


def create_group(*, path: str, parent: Namespace | None = None, name: str = "", **fields: Any) -> Namespace:
    """A group, at the top or below another. Raises InvalidNamespaceError."""
    group = new_group(path=path, parent=parent, name=name, **fields)
    try:
        with transaction.atomic():
            return _insert(group)
    except ValidationError as error:
        raise InvalidNamespaceError(f"Group {path!r} is not accepted: {'; '.join(error.messages)}") from error
    except IntegrityError as error:
        raise InvalidNamespaceError(f"Group {path!r} is not accepted: the path or the id is taken.") from error


def new_group(*, path: str, parent: Namespace | None = None, name: str = "", **fields: Any) -> Namespace:
    """A group that is not saved yet. Raises InvalidNamespaceError."""
    problem = segment_problem(path) or _reserved(path, parent)
    if problem:
        raise InvalidNamespaceError(f"Group {path!r} is not accepted: {problem}")
    return Namespace(kind=NamespaceKind.GROUP, path=path, name=name or path, parent=parent, **fields)


def create_groups(groups: Sequence[Namespace]) -> None:
    """Insert new groups of one level, all or none, with a fixed number of statements; their parents have their lineage at hand.

    Raises InvalidValueError, or IntegrityError for a path or an id that is taken.
    """
    with transaction.atomic():
        _insert_together(groups)


def _reserved(path: str, parent: Namespace | None) -> str | None:
    if parent is None and path.lower() in RESERVED_TOP_LEVEL_NAMES:
        return "The name is reserved."
    if parent is not None and not parent.is_group:
        return "A user's own namespace holds no groups."
    return None


@receiver(users_created, dispatch_uid="repositories.personal_namespace")
def create_personal_namespaces(*, users: Sequence[User], **_: object) -> None:
    """Every user has a namespace of the same path. Its IntegrityError is the caller's: the user is not made either."""
    namespaces = [Namespace(kind=NamespaceKind.USER, path=user.username, name=user.name, owner=user) for user in users]
    if len(namespaces) == 1:
        _insert(namespaces[0])
    else:
        _insert_together(namespaces)
