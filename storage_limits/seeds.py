"""`storage_limit`, `storage_size` and `storage_limit_exclusion` in a seed file."""

from accounts.models import User
from internal_api.seeding import Entry, Report, register_key
from internal_api.seeding.entries import integer, text
from internal_api.seeding.rows import new_id, update
from repositories.models import Namespace, Project
from storage_limits.models import LimitExclusion
from storage_limits.services.exclusions import check_reason, exclude, remove_exclusion


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


def load_size(report: Report, project: Project, entry: Entry, key: str) -> None:
    """Set the size that a project counts with."""
    report.changed("storage_sizes", update(project, {"storage_size": entry.read(key, integer)}))


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
    register_key("projects", "storage_size", 400, load_size)
    for section in ("users", "groups"):
        register_key(section, "storage_limit", 410, load_limit)
        register_key(section, "storage_limit_exclusion", 420, load_exclusion, model=LimitExclusion)
