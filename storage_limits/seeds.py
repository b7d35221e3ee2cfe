"""`storage_limit`, `storage_size` and `storage_limit_exclusion` in a seed file."""

from collections.abc import Sequence

from accounts.models import User
from internal_api.seeding import Entry, Report, register_key
from internal_api.seeding.entries import integer, text
from internal_api.seeding.registry import TogetherError
from internal_api.seeding.rows import distinct, new_id, update
from internal_api.seeding.together import Changes
from repositories.models import Namespace, Project
from storage_limits.models import LimitExclusion
from storage_limits.services.exclusions import check_reason, exclude, remove_exclusion
from storage_limits.services.flag import refresh_flags, refresh_flags_above


def _namespace(place: Namespace | User) -> Namespace:
    return place.namespace if isinstance(place, User) else place


def load_limit(report: Report, place: Namespace | User, entry: Entry, key: str) -> None:
    """Set the limit of a top-level namespace; the flag follows."""
    namespace = _namespace(place)
    limit = entry.read(key, integer)
    if limit and namespace.parent_id is not None:
        raise entry.problem(key, "is for top-level groups")
    namespace.refresh_from_db(fields=["over_storage_limit", "storage_limit"])
    report.changed("storage_limits", update(namespace, {"storage_limit": limit}))


def load_limits_of_many(report: Report, waiting: Sequence[tuple[Namespace | User, Entry]], key: str) -> None:
    """The same for some groups, or some users."""
    distinct(place.pk for place, _ in waiting)
    owned = "owner_id" if isinstance(waiting[0][0], User) else "id"
    rows = Namespace.objects.filter(**{f"{owned}__in": [place.pk for place, _ in waiting]}).select_related("route")
    namespaces = {getattr(row, owned): row for row in rows}
    changes, changed = Changes(report, "storage_limits"), []
    for place, entry in waiting:
        namespace, limit = namespaces[place.pk], entry.read(key, integer)
        if limit and namespace.parent_id is not None:
            raise TogetherError
        if changes.add(namespace, {"storage_limit": limit}):
            changed.append(namespace.pk)
    changes.write()
    if changed:
        refresh_flags(changed)


def load_size(report: Report, project: Project, entry: Entry, key: str) -> None:
    """Set the size that a project counts with."""
    report.changed("storage_sizes", update(project, {"storage_size": entry.read(key, integer)}))


def load_sizes_of_many(report: Report, waiting: Sequence[tuple[Project, Entry]], key: str) -> None:
    """The same for some projects."""
    changes = Changes(report, "storage_sizes")
    changed = [project.namespace_id for project, entry in waiting if changes.add(project, {"storage_size": entry.read(key, integer)})]
    changes.write()
    if changed:
        refresh_flags_above(changed)


def load_exclusion(report: Report, place: Namespace | User, entry: Entry, key: str) -> None:
    """Exclude the namespace, change why, or remove the exclusion (null, or `absent: true`)."""
    namespace = _namespace(place)
    row = LimitExclusion.objects.filter(namespace=namespace).first()
    inner = Entry(entry.values[key] or {"absent": True}, entry.at(key), {"id", "reason", "absent"})
    if inner.is_absent:
        if row is not None:
            remove_exclusion(namespace)
        report.count("limit_exclusions", "unchanged" if row is None else "removed")
        return
    reason = check_reason(inner.read("reason", text))
    if row is None:
        exclude(namespace, reason, **new_id(inner))
        report.count("limit_exclusions", "created")
        return
    if inner.get("id", integer, row.pk) != row.pk:
        raise inner.problem("id", f"the exclusion has the id {row.pk} already")
    report.changed("limit_exclusions", update(row, {"reason": reason}))


def register() -> None:
    """Make the keys known."""
    register_key("projects", "storage_size", 400, load_size, load_many=load_sizes_of_many)
    for section in ("users", "groups"):
        register_key(section, "storage_limit", 410, load_limit, load_many=load_limits_of_many)
        register_key(section, "storage_limit_exclusion", 420, load_exclusion, model=LimitExclusion)
