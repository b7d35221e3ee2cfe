"""The `storages`, `groups` and `projects` sections of a seed file: rows and routes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db.models import ProtectedError, RestrictedError, prefetch_related_objects

from internal_api.models.instance_settings import BranchLevel
from internal_api.seeding import Entry, Report, Section, SeedError, register_section
from internal_api.seeding.entries import Parser, any_text, boolean, choice, optional, text, texts
from internal_api.seeding.rows import checked, distinct, matched_row, new_id, one_row, rows_by_id, update
from internal_api.stored_values import create_row
from internal_api.text import ascii_lower
from repositories.models import (
    FeatureLevel,
    GitProtocolChoice,
    Namespace,
    Project,
    ProjectCreationLevel,
    Route,
    Storage,
    Visibility,
)
from repositories.selectors.namespaces import find_group, find_namespace, find_project, routes_of
from repositories.services.namespaces import create_group, create_groups, new_group
from repositories.services.projects import create_project, create_projects, default_storage, new_project
from repositories.services.repository_creation import not_made, provide_repositories

_GROUP: dict[str, Parser] = {
    "name": checked(Namespace, "name", text),
    "visibility": choice(Visibility.values),
    "archived": boolean,
    "project_creation_level": choice(ProjectCreationLevel.values),
    "default_branch_push": optional(choice(BranchLevel.values)),
    "default_branch_merge": optional(choice(BranchLevel.values)),
    "developer_can_initial_push": boolean,
}
_TOP_LEVEL_GROUP: dict[str, Parser] = {
    "enabled_git_access_protocol": choice(GitProtocolChoice.values),
    "ip_allowlist": checked(Namespace, "ip_allowlist", texts),
    "enforce_ssh_certificates": boolean,
    "disable_ssh_keys": boolean,
    "verified_email_domains": checked(Namespace, "verified_email_domains", texts),
}
_PROJECT: dict[str, Parser] = {
    "name": checked(Project, "name", text),
    "description": any_text,
    "visibility": choice(Visibility.values),
    "archived": boolean,
    "repository_access_level": choice(FeatureLevel.values),
    "wiki_access_level": choice(FeatureLevel.values),
    "lfs_enabled": boolean,
    "merge_requests_enabled": boolean,
    "printing_merge_request_link_enabled": boolean,
}
_REPOSITORY: dict[str, Parser] = {
    "relative_path": optional(checked(Project, "relative_path", text)),
    "exists": boolean,
    "wiki_exists": boolean,
    "empty": boolean,
    "read_only": boolean,
    "default_branch": checked(Project, "default_branch", text),
}


def load_storage(report: Report, entry: Entry) -> Storage | None:
    """Make or change one storage."""
    name = entry.read("name", text)
    row = Storage.objects.filter(name=name).first()
    if entry.is_absent:
        _remove(report, entry, "storages", row)
        return None
    address = checked(Storage, "gitaly_address", text)
    values = entry.fields({"gitaly_address": address, "gitaly_token": optional(checked(Storage, "gitaly_token", text))})
    if row is None:
        row = create_row(Storage, name=name, **values)
        report.count("storages", "created")
    else:
        report.changed("storages", update(row, values))
    return row


def _remove(report: Report, entry: Entry, kind: str, row: Any) -> None:
    if row is not None:
        try:
            row.delete()
        except (ProtectedError, RestrictedError) as error:
            raise SeedError(entry.path, "is still in use, and is not removed") from error
    report.count(kind, "unchanged" if row is None else "removed")


def load_group(report: Report, entry: Entry) -> Namespace | None:
    """Make or change one group; its parent is there already, since shorter paths come first."""
    full_path = entry.read("path", text)
    row: Namespace | None = matched_row(entry, Namespace.objects.all(), find_namespace(full_path), f"group {full_path!r}")
    if row is not None or entry.is_absent:
        return _change_group(report, entry, row)
    parent_path, _, path = full_path.rpartition("/")
    values = _group_values(entry)
    parent = find_group(parent_path) if parent_path else None
    _require_parent(entry, parent)
    row = create_group(path=path, parent=parent, **values, **new_id(entry))
    report.count("groups", "created")
    return row


def load_groups(report: Report, entries: Sequence[Entry]) -> list[Namespace | None]:
    """The same for some groups of one level: those that are there already are read together, and new ones are made together."""
    paths = distinct(ascii_lower(entry.read("path", text)) for entry in entries)
    routes = routes_of([*paths, *(path.rpartition("/")[0] for path in paths)])
    by_id = rows_by_id(entries, Namespace.objects.all())
    parents = [route.namespace for path in paths if (route := routes.get(path.rpartition("/")[0])) and route.namespace]
    prefetch_related_objects(parents, "lineage")
    rows: list[Namespace | None] = []
    new: list[Namespace] = []
    for entry, path in zip(entries, paths, strict=True):
        row = one_row(entry, _owner(routes.get(path)), by_id.get(entry.values.get("id", 0)), path)
        if row is not None or entry.is_absent:
            rows.append(_change_group(report, entry, row))
            continue
        parent = _group_at(routes, path.rpartition("/")[0])
        _require_parent(entry, parent)
        new.append(new_group(path=entry.values["path"].rpartition("/")[2], parent=parent, **_group_values(entry), **new_id(entry)))
        rows.append(new[-1])
    create_groups(new)
    report.count("groups", "created", len(new))
    return rows


def _owner(route: Route | None) -> Namespace | Project | None:
    return (route.namespace or route.project) if route else None


def _group_at(routes: Mapping[str, Route], path: str) -> Namespace | None:
    found = _owner(routes.get(path))
    return found if isinstance(found, Namespace) and found.is_group else None


def _change_group(report: Report, entry: Entry, row: Namespace | None) -> Namespace | None:
    if entry.is_absent or row is None:
        _remove(report, entry, "groups", row)
        return None
    if not row.is_group:
        raise entry.problem("path", f"{entry.values['path']!r} is a user's own namespace")
    report.changed("groups", update(row, _group_values(entry)))
    return row


def _group_values(entry: Entry) -> dict[str, Any]:
    return {**entry.fields(_GROUP), **_top_level_values(entry, is_top_level="/" not in entry.values["path"])}


def _require_parent(entry: Entry, parent: Namespace | None) -> None:
    parent_path = entry.values["path"].rpartition("/")[0]
    if parent_path and parent is None:
        raise entry.problem("path", f"there is no group {parent_path!r}")


def _top_level_values(entry: Entry, *, is_top_level: bool) -> dict[str, Any]:
    values = entry.fields(_TOP_LEVEL_GROUP)
    misplaced = next((key for key, value in values.items() if not is_top_level and value not in ([], False, "all")), None)
    if misplaced:
        raise entry.problem(misplaced, "is for top-level groups")
    return values


def load_project(report: Report, entry: Entry) -> Project | None:
    """Make or change one project."""
    full_path = entry.read("path", text)
    row: Project | None = matched_row(entry, Project.objects.all(), find_project(full_path), f"project {full_path!r}")
    if row is not None or entry.is_absent:
        return _change_project(report, entry, row)
    namespace_path, _, path = full_path.rpartition("/")
    namespace = find_namespace(namespace_path).first()
    row = create_project(path=path, **_new_project_values(entry, namespace, _storages))
    report.count("projects", "created")
    _want_repository(report, entry, row, is_new=True)
    return row


def load_projects(report: Report, entries: Sequence[Entry]) -> list[Project | None]:
    """The same for some projects: those that are there already are read together, and new ones are made together."""
    paths = distinct(ascii_lower(entry.read("path", text)) for entry in entries)
    routes = routes_of([*paths, *(path.rpartition("/")[0] for path in paths)])
    by_id = rows_by_id(entries, Project.objects.all())
    by_pk = Storage.objects.in_bulk()
    storages = {storage.name: storage for storage in by_pk.values()}
    default = next((entry for entry in entries if "storage" not in entry.values.get("repository", {})), None) and default_storage()
    rows: list[Project | None] = []
    new: list[tuple[Entry, Project]] = []
    for entry, path in zip(entries, paths, strict=True):
        row = one_row(entry, _owner(routes.get(path)), by_id.get(entry.values.get("id", 0)), path)
        if row is not None or entry.is_absent:
            if isinstance(row, Project):
                row.storage = by_pk[row.storage_id]  # else comparing it would read it, for each project
            rows.append(_change_project(report, entry, row, storages.get))
            continue
        namespace_path, _, own_path = entry.values["path"].rpartition("/")
        namespace = _owner(routes.get(ascii_lower(namespace_path)))
        values = {"storage": default, **_new_project_values(entry, namespace, storages.get)}
        new.append((entry, new_project(path=own_path, **values)))
        rows.append(new[-1][1])
    create_projects([row for _, row in new])
    report.count("projects", "created", len(new))
    for entry, row in new:
        _want_repository(report, entry, row, is_new=True)
    return rows


def _change_project(
    report: Report, entry: Entry, row: Project | None, storages: Callable[[str], Storage | None] | None = None
) -> Project | None:
    if entry.is_absent or row is None:
        _remove(report, entry, "projects", row)
        return None
    report.changed("projects", update(row, {**entry.fields(_PROJECT), **_repository_values(entry, storages or _storages)}))
    _want_repository(report, entry, row, is_new=False)
    return row


def _want_repository(report: Report, entry: Entry, row: Project, *, is_new: bool) -> None:
    """Let the project's repository be made at Gitaly when everything is written, as the options say."""
    is_wanted = (is_new and "rows_only" not in report.options) or "create_repositories" in report.options
    if is_wanted and row.repository_exists:
        names_branch = "default_branch" in entry.values.get("repository", {})
        report.postpone(_create_repositories, (row.pk, is_new and not names_branch))


def _create_repositories(report: Report, wanted: list[tuple[int, bool]]) -> None:
    """Make the repositories of projects by their ids; a new project for which the file names no default branch follows HEAD."""
    adopting = dict(wanted)
    missing = provide_repositories(
        Project.objects.filter(pk__in=adopting),
        adopt=adopting,
        made=lambda was_missing: report.count("repositories", "created" if was_missing else "unchanged"),
        progress=lambda done, total: report.progress("repositories", done, total),
    )
    report.notes += not_made(missing)


def _new_project_values(entry: Entry, namespace: Any, storages: Callable[[str], Storage | None]) -> dict[str, Any]:
    if not isinstance(namespace, Namespace):
        raise entry.problem("path", f"there is no namespace {entry.values['path'].rpartition('/')[0]!r}")
    return {"namespace": namespace, **entry.fields(_PROJECT), **_repository_values(entry, storages), **new_id(entry)}


def _storages(name: str) -> Storage | None:
    return Storage.objects.filter(name=name).first()


def _repository_values(entry: Entry, storages: Callable[[str], Storage | None]) -> dict[str, Any]:
    if "repository" not in entry:
        return {}
    inner = Entry(entry.values["repository"], entry.at("repository"), {"storage", *_REPOSITORY})
    values = inner.fields(_REPOSITORY)
    if "exists" in values:
        values["repository_exists"] = values.pop("exists")
    if "storage" in inner:
        name = inner.read("storage", text)
        values["storage"] = storages(name)
        if values["storage"] is None:
            raise inner.problem("storage", f"there is no storage {name!r}")
    return values


def _depth(entry: Entry) -> int:
    path = entry.values.get("path")
    return path.count("/") if isinstance(path, str) else 0


def register() -> None:
    """Make the sections known."""
    register_section(Section("storages", order=10, keys={"name", "gitaly_address", "gitaly_token"}, load=load_storage))
    group_keys = {"id", "path", *_GROUP, *_TOP_LEVEL_GROUP}
    register_section(Section("groups", order=30, keys=group_keys, load=load_group, load_many=load_groups, sort_key=_depth, model=Namespace))
    project_keys = {"id", "path", "repository", *_PROJECT}
    register_section(Section("projects", order=40, keys=project_keys, load=load_project, load_many=load_projects, model=Project))
