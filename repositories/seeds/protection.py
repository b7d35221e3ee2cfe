"""`protected_branches` and `protected_tags` of projects and top-level groups in a seed file."""

from collections.abc import Callable, Sequence
from typing import Any

from accounts.models import KeyKind, SSHKey, User
from accounts.selectors.users import users_by_name
from internal_api.seeding import Entry, Report, SeedError, register_key
from internal_api.seeding.entries import boolean, children, listing, located, text
from internal_api.seeding.registry import TogetherError
from internal_api.seeding.rows import distinct
from internal_api.text import ascii_lower
from repositories.models import Namespace, Project, ProtectedBranch, ProtectedTag
from repositories.selectors.namespaces import find_group, routes_of
from repositories.services.protected_refs import (
    LEVELS,
    Grantee,
    NewRule,
    is_as_wanted,
    protect_branch,
    protect_branches,
    protect_tag,
    protect_tags,
    unprotect_branch,
    unprotect_tag,
)

_BRANCH = {"name", "push", "merge", "allow_force_push"}
Named = Callable[[Namespace | Project, Entry], Grantee | None]


def _grantees(place: Namespace | Project, value: Any, path: str, named: Named | None = None) -> list[Grantee]:
    """Roles by name, or `{user: ann}`, `{group: path}`, `{deploy_key: title}`, which `named` finds."""
    return [_grantee(place, item, f"{path}[{index}]", named or _named) for index, item in enumerate(listing(value, path))]


def _grantee(place: Namespace | Project, item: Any, path: str, named: Named) -> Grantee:
    if isinstance(item, str):
        if item not in LEVELS:
            raise SeedError(path, f"{item!r} is none of: {', '.join(map(repr, LEVELS))}")
        return LEVELS[item]
    entry = Entry(item, path, {"user", "group", "deploy_key"})
    if len(entry.values) != 1:
        raise SeedError(path, "names one of user, group and deploy_key")
    found = named(place, entry)
    if found is None:
        raise SeedError(path, f"there is no {' '.join(f'{kind} {name!r}' for kind, name in entry.values.items())}")
    return found


def _named(place: Namespace | Project, entry: Entry) -> Grantee | None:
    if "user" in entry:
        user: User | None = User.matching_username(entry.read("user", text)).first()
        return user
    if "group" in entry:
        return find_group(entry.read("group", text))
    keys = SSHKey.objects.filter(kind=KeyKind.DEPLOY, title=entry.read("deploy_key", text))
    return keys.filter(grants__project=place).first() if isinstance(place, Project) else keys.first()


def load_branches(report: Report, place: Namespace | Project, entry: Entry, key: str) -> None:
    """Make or change rules on branches."""
    for child in children(entry.values[key], entry.at(key), _BRANCH):
        name = child.read("name", text)
        if child.is_absent:
            report.count("protected_branches", "removed" if unprotect_branch(place, name) else "unchanged")
            continue
        grants = {kind: _grantees(place, child.values[kind], child.at(kind)) for kind in ("push", "merge") if kind in child}
        with located(child.path):
            changed = protect_branch(place, name, grants, allow_force_push=child.get("allow_force_push", boolean))
        report.changed("protected_branches", changed)


def load_branches_of_many(report: Report, waiting: Sequence[tuple[Namespace | Project, Entry]], key: str) -> None:
    """The same for some places: present rules are read together, and new ones are made together."""
    column = "project" if isinstance(waiting[0][0], Project) else "namespace"
    rows = ProtectedBranch.objects.filter(**{f"{column}__in": [place for place, _ in waiting]}).prefetch_related("grants")
    present = {(getattr(rule, f"{column}_id"), rule.name): rule for rule in rows}
    found = _children_of(waiting, key, _BRANCH)
    grantees = _Grantees(found, ("push", "merge"))
    new: list[NewRule] = []
    for place, child in found:
        rule = present.get((place.pk, child.values["name"]))
        grants = grantees.of(place, child)
        force = child.get("allow_force_push", boolean)
        if rule is None:
            new.append(NewRule(place, child.values["name"], grants, allow_force_push=bool(force)))
        elif is_as_wanted(rule, grants, allow_force_push=force):
            report.changed("protected_branches", changed=False)
        else:
            with located(child.path):
                report.changed("protected_branches", protect_branch(place, rule.name, grants, allow_force_push=force))
    protect_branches(new)
    report.count("protected_branches", "changed", len(new))


def load_tags_of_many(report: Report, waiting: Sequence[tuple[Project, Entry]], key: str) -> None:
    """The same for rules on tags."""
    rows = ProtectedTag.objects.filter(project__in=[project for project, _ in waiting]).prefetch_related("grants")
    present = {(rule.project_id, rule.name): rule for rule in rows}
    found = _children_of(waiting, key, {"name", "create"})
    grantees = _Grantees(found, ("create",))
    new: list[tuple[Project, str, dict[str, list[Grantee]]]] = []
    for project, child in found:
        rule = present.get((project.pk, child.values["name"]))
        grants = grantees.of(project, child)
        if rule is None:
            new.append((project, child.values["name"], grants))
        elif is_as_wanted(rule, grants):
            report.changed("protected_tags", changed=False)
        else:
            report.changed("protected_tags", protect_tag(project, rule.name, grants))
    protect_tags(new)
    report.count("protected_tags", "changed", len(new))


def _children_of(waiting: Sequence[tuple[Any, Entry]], key: str, known: set[str]) -> list[tuple[Any, Entry]]:
    found = [(place, child) for place, entry in waiting for child in children(entry.values[key], entry.at(key), known)]
    distinct((place.pk, child.read("name", text)) for place, child in found)
    if any(child.is_absent or not isinstance(child.values["name"], str) for _, child in found):
        raise TogetherError
    return found


class _Grantees:
    """Whom rules name: users and groups are read together, deploy keys one by one."""

    def __init__(self, found: Sequence[tuple[Any, Entry]], kinds: Sequence[str]) -> None:
        self._kinds = kinds
        lists = (child.values.get(kind) for _, child in found for kind in kinds)
        named = [item for items in lists if isinstance(items, list) for item in items if isinstance(item, dict)]
        self._users = users_by_name(item["user"] for item in named if isinstance(item.get("user"), str))
        paths = [item["group"] for item in named if isinstance(item.get("group"), str)]
        self._groups = {path: route.namespace for path, route in routes_of(paths).items()} if paths else {}

    def of(self, place: Namespace | Project, child: Entry) -> dict[str, list[Grantee]]:
        """Return the levels that an entry names, by their purpose. Raises SeedError."""
        return {kind: _grantees(place, child.values[kind], child.at(kind), self._named) for kind in self._kinds if kind in child}

    def _named(self, place: Namespace | Project, entry: Entry) -> Grantee | None:
        if "user" in entry:
            return self._users.get(ascii_lower(entry.read("user", text)))
        if "group" in entry:
            group = self._groups.get(ascii_lower(entry.read("group", text)))
            return group if group is not None and group.is_group else None
        return _named(place, entry)


def load_tags(report: Report, project: Project, entry: Entry, key: str) -> None:
    """Make or change rules on tags."""
    for child in children(entry.values[key], entry.at(key), {"name", "create"}):
        name = child.read("name", text)
        if child.is_absent:
            report.count("protected_tags", "removed" if unprotect_tag(project, name) else "unchanged")
            continue
        grants = {"create": _grantees(project, child.values["create"], child.at("create"))} if "create" in child else {}
        report.changed("protected_tags", protect_tag(project, name, grants))


def register() -> None:
    """Make the keys known."""
    for section in ("groups", "projects"):
        register_key(section, "protected_branches", 140, load_branches, load_many=load_branches_of_many)
    register_key("projects", "protected_tags", 150, load_tags, load_many=load_tags_of_many)
