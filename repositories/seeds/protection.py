"""`protected_branches` and `protected_tags` of projects and top-level groups in a seed file."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from accounts.models import KeyKind, SSHKey, User
from internal_api.seeding import Entry, Report, SeedError, register_key
from internal_api.seeding.entries import boolean, children, listing, located, text
from internal_api.seeding.registry import TogetherError
from internal_api.seeding.rows import distinct
from repositories.models import Namespace, Project, ProtectedBranch
from repositories.selectors.namespaces import find_group
from repositories.services.protected_refs import (
    LEVELS,
    Grantee,
    NewRule,
    protect_branch,
    protect_branches,
    protect_tag,
    unprotect_branch,
    unprotect_tag,
)

_BRANCH = {"name", "push", "merge", "allow_force_push"}


def _grantees(place: Namespace | Project, value: Any, path: str) -> list[Grantee]:
    """Roles by name, or `{user: ann}`, `{group: path}`, `{deploy_key: title}`."""
    return [_grantee(place, item, f"{path}[{index}]") for index, item in enumerate(listing(value, path))]


def _grantee(place: Namespace | Project, item: Any, path: str) -> Grantee:
    if isinstance(item, str):
        if item not in LEVELS:
            raise SeedError(path, f"{item!r} is none of: {', '.join(map(repr, LEVELS))}")
        return LEVELS[item]
    entry = Entry(item, path, {"user", "group", "deploy_key"})
    if len(entry.values) != 1:
        raise SeedError(path, "names one of user, group and deploy_key")
    found = _named(place, entry)
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
    present = _present_rules([place for place, _ in waiting])
    new: list[NewRule] = []
    for place, entry in waiting:
        if present.get(place.pk):
            load_branches(report, place, entry, key)
            continue
        found = list(children(entry.values[key], entry.at(key), _BRANCH))
        distinct(child.read("name", text) for child in found)
        for child in found:
            if child.is_absent:
                raise TogetherError
            grants = {kind: _grantees(place, child.values[kind], child.at(kind)) for kind in ("push", "merge") if kind in child}
            new.append(NewRule(place, child.values["name"], grants, allow_force_push=child.get("allow_force_push", boolean, default=False)))
    protect_branches(new)
    report.count("protected_branches", "changed", len(new))


def _present_rules(places: Sequence[Namespace | Project]) -> Counter[int]:
    """How many rules each of the projects, or each of the groups, has."""
    column = "project" if isinstance(places[0], Project) else "namespace"
    return Counter(ProtectedBranch.objects.filter(**{f"{column}__in": places}).values_list(f"{column}_id", flat=True))


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
    register_key("projects", "protected_tags", 150, load_tags)
