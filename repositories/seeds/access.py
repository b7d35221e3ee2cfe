"""Members, invited groups, deploy keys and former paths of groups and projects in a seed file."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models.functions import Lower

from accounts.models import KeyKind, SSHKey, User
from accounts.seeds import known_keys, parse
from accounts.selectors.users import users_by_name
from accounts.services.ssh_keys import add_deploy_key, create_deploy_keys, new_deploy_key
from internal_api.models import InstanceSettings
from internal_api.seeding import Entry, Report, SeedError, register_key
from internal_api.seeding.batches import some_at_a_time
from internal_api.seeding.entries import boolean, children, choice, day, integer, located, mapping, moment, optional, text, texts
from internal_api.seeding.registry import TogetherError
from internal_api.seeding.rows import distinct, new_id, update
from internal_api.seeding.together import Changes, insert_rows
from internal_api.text import ascii_lower
from repositories.models import AccessLevel, DeployKeyGrant, GroupLink, Member, MemberState, Namespace, Project, RedirectRoute
from repositories.selectors.namespaces import find_group, routes_of
from repositories.services.access import (
    grant_deploy_key,
    new_group_link,
    new_member,
    remove_member,
    set_member,
    share_with,
    unshare_with,
    withdraw_deploy_key,
)
from repositories.services.projects import add_redirect

ROLES = {level.name.lower(): level.value for level in AccessLevel}
_DEPLOY_KEY = {"id", "title", "key", "can_push", "owner", "expires_at"}


def _user(username: str, path: str) -> User:
    user: User | None = User.matching_username(username).first()
    if user is None:
        raise SeedError(path, f"there is no user {username!r}")
    return user


def load_members(report: Report, place: Namespace | Project, entry: Entry, key: str) -> None:
    """Make or change memberships: `ann: developer`, or a mapping with `access_level`, `state`, `expires_at`."""
    for username, value in mapping(entry.values[key], entry.at(key)).items():
        path = f"{entry.at(key)}.{username}"
        user = _user(username, path)
        member = _member_entry(value, path)
        if member.is_absent:
            report.count("members", "removed" if remove_member(place, user) else "unchanged")
            continue
        with located(path):
            report.changed("members", set_member(place, user, **_member_values(member, value)))


def load_members_of_many(report: Report, waiting: Sequence[tuple[Namespace | Project, Entry]], key: str) -> None:
    """The same for some places: users and memberships are read together, and new ones are made together."""
    named = [(place, entry, mapping(entry.values[key], entry.at(key))) for place, entry in waiting]
    users = users_by_name(username for _, _, members in named for username in members)
    present = _present_members([place for place, _ in waiting], [user.pk for user in users.values()])
    changes = Changes(report, "members")
    new: dict[tuple[str, int, int], Member] = {}
    for place, entry, members in named:
        for username, value in members.items():
            child = _member_entry(value, f"{entry.at(key)}.{username}")
            user = users.get(ascii_lower(username))
            if user is None or child.is_absent:
                raise TogetherError
            member = new_member(place, user, **_member_values(child, value))
            known = present.get(_place_and_user(member))
            if known is not None:
                changes.add(known, {name: getattr(member, name) for name in ("access_level", "state", "expires_at")})
            elif _place_and_user(member) in new:
                raise TogetherError
            else:
                new[_place_and_user(member)] = member
    Member.objects.bulk_create(new.values())
    report.count("members", "changed", len(new))
    changes.write()


def _member_entry(value: Any, path: str) -> Entry:
    return Entry(value if isinstance(value, dict) else {"access_level": value}, path, {"access_level", "state", "expires_at", "absent"})


def _member_values(member: Entry, value: Any) -> dict[str, Any]:
    role = member.read("access_level", choice(ROLES)) if isinstance(value, dict) else choice(ROLES)(value, member.path)
    state = member.get("state", choice(MemberState.values), MemberState.ACTIVE)
    return {"access_level": ROLES[role], "state": state, "expires_at": member.get("expires_at", optional(day))}


def _present_members(places: Sequence[Namespace | Project], users: Sequence[int]) -> dict[tuple[str, int, int], Member]:
    column = "project" if isinstance(places[0], Project) else "namespace"
    rows = Member.objects.filter(**{f"{column}__in": places})
    found = (rows.filter(user__in=some) for some in some_at_a_time(users))
    return {_place_and_user(member): member for members in found for member in members}


def _place_and_user(member: Member) -> tuple[str, int, int]:
    kind, place = ("project", member.project_id) if member.project_id is not None else ("namespace", member.namespace_id)
    return kind, place or 0, member.user_id


def load_shares(report: Report, place: Namespace | Project, entry: Entry, key: str) -> None:
    """Make or change invitations of groups: `other/group: developer`."""
    for group_path, value in mapping(entry.values[key], entry.at(key)).items():
        path = f"{entry.at(key)}.{group_path}"
        group = find_group(group_path)
        if group is None:
            raise SeedError(path, f"there is no group {group_path!r}")
        if isinstance(value, dict) and Entry(value, path, {"absent"}).is_absent:
            report.count("shares", "removed" if unshare_with(place, group) else "unchanged")
            continue
        with located(path):
            report.changed("shares", share_with(place, group, ROLES[choice(ROLES)(value, path)]))


def load_shares_of_many(report: Report, waiting: Sequence[tuple[Namespace | Project, Entry]], key: str) -> None:
    """The same for some places: groups and invitations are read together, and new ones are made together."""
    named = [(place, path, value) for place, entry in waiting for path, value in mapping(entry.values[key], entry.at(key)).items()]
    groups = {path: route.namespace for path, route in routes_of([path for _, path, _ in named]).items()}
    column = "project" if isinstance(waiting[0][0], Project) else "namespace"
    rows = GroupLink.objects.filter(**{f"{column}__in": [place for place, _ in waiting]})
    present = {(getattr(row, f"{column}_id"), row.group_id): row for row in rows}
    distinct((place.pk, ascii_lower(path)) for place, path, _ in named)
    changes, new = Changes(report, "shares"), []
    for place, path, value in named:
        group = groups.get(ascii_lower(path))
        if group is None or not isinstance(value, str):
            raise TogetherError
        link = new_group_link(place, group, ROLES[choice(ROLES)(value, path)])
        known = present.get((place.pk, group.pk))
        if known is None:
            new.append(link)
        else:
            changes.add(known, {"access_level": link.access_level})
    insert_rows(new)
    report.count("shares", "changed", len(new))
    changes.write()


def load_redirects_of_many(report: Report, waiting: Sequence[tuple[Project, Entry]], key: str) -> None:
    """The same for some projects."""
    wanted = [(project, path.strip("/")) for project, entry in waiting for path in entry.read(key, texts)]
    paths = distinct(ascii_lower(path) for _, path in wanted)
    rows = RedirectRoute.objects.annotate(path_lower=Lower("path")).filter(path_lower__in=paths)
    present = {ascii_lower(row.path): row.project_id for row in rows}
    new = []
    for (project, path), lower in zip(wanted, paths, strict=True):
        if lower not in present:
            new.append(RedirectRoute(path=path, project=project))
        elif present[lower] != project.pk:
            raise TogetherError
    insert_rows(new)
    report.count("redirects", "created", len(new))
    report.count("redirects", "unchanged", len(wanted) - len(new))


def load_redirects(report: Report, project: Project, entry: Entry, key: str) -> None:
    """Let former paths lead to the project."""
    for path in entry.read(key, texts):
        report.count("redirects", "created" if add_redirect(project, path.strip("/")) else "unchanged")


def load_deploy_keys(report: Report, project: Project, entry: Entry, key: str) -> None:
    """Enable deploy keys for the project; the same key in two projects is one key with two grants."""
    for child in children(entry.values[key], entry.at(key), _DEPLOY_KEY):
        with located(child.path):
            load_deploy_key(report, project, child)


def load_deploy_key(report: Report, project: Project, entry: Entry) -> None:
    """Make or change one deploy key and its grant."""
    row = SSHKey.objects.filter(fingerprint=parse(entry).fingerprint).first()
    if entry.is_absent:
        report.count("deploy_keys", "removed" if row and withdraw_deploy_key(project, row) else "unchanged")
        return
    values = entry.fields({"title": text, "expires_at": optional(moment)})
    if "owner" in entry:
        owner = entry.read("owner", optional(text))
        values["owner"] = _user(owner, entry.at("owner")) if owner else None
    if row is None:
        row = add_deploy_key(key=entry.values["key"], rules=(report.former, None), may_be_expired=True, **values, **new_id(entry))
        report.count("deploy_keys", "created")
    else:
        _change_deploy_key(report, row, entry, values)
    grant_deploy_key(project, row, can_push=entry.get("can_push", boolean, default=False))


def load_deploy_keys_of_many(report: Report, waiting: Sequence[tuple[Project, Entry]], key: str) -> None:
    """The same for some projects: keys and grants are read together, and new ones are made together."""
    found = [(project, child) for project, entry in waiting for child in children(entry.values[key], entry.at(key), _DEPLOY_KEY)]
    if any(child.is_absent for _, child in found):
        raise TogetherError
    fingerprints = [parse(child).fingerprint for _, child in found]
    distinct((project.pk, fingerprint) for (project, _), fingerprint in zip(found, fingerprints, strict=True))
    keys = _deploy_keys(report, [child for _, child in found], fingerprints)
    rows = DeployKeyGrant.objects.filter(project__in=[project for project, _ in waiting])
    present = {(grant.project_id, grant.key_id): grant for grant in rows.select_related(*DeployKeyGrant.audit_related)}
    changes, new = Changes(report), []
    for (project, child), row in zip(found, keys, strict=True):
        can_push = child.get("can_push", boolean, default=False)
        grant = present.get((project.pk, row.pk))
        if grant is None:
            new.append(DeployKeyGrant(project=project, key=row, can_push=can_push))
        else:
            changes.add(grant, {"can_push": can_push})
    insert_rows(new)
    changes.write()


def _deploy_keys(report: Report, entries: Sequence[Entry], fingerprints: Sequence[str]) -> list[SSHKey]:
    """Make and change the keys that entries mean; return one for each entry."""
    known = known_keys(fingerprints)
    owners = users_by_name(owner for entry in entries if (owner := entry.get("owner", optional(text))))
    rules = (report.former, InstanceSettings.current())
    changes, new = Changes(report, "deploy_keys"), {}
    for entry, fingerprint in zip(entries, fingerprints, strict=True):
        values, row = _deploy_key_values(entry, owners), known.get(fingerprint)
        if row is None and fingerprint not in new:
            new[fingerprint] = new_deploy_key(key=entry.values["key"], rules=rules, **values, **new_id(entry))
            continue
        if "owner" in values:
            values["user"] = values.pop("owner")
        if row is None:
            _require_the_same(new[fingerprint], {**values, **new_id(entry)})
            report.count("deploy_keys", "unchanged")
        elif row.kind != KeyKind.DEPLOY or entry.get("id", integer, row.pk) != row.pk:
            raise TogetherError
        else:
            changes.add(row, values)
    create_deploy_keys(list(new.values()))
    report.count("deploy_keys", "created", len(new))
    changes.write()
    return [known.get(fingerprint) or new[fingerprint] for fingerprint in fingerprints]


def _deploy_key_values(entry: Entry, owners: Mapping[str, User]) -> dict[str, Any]:
    values = entry.fields({"title": text, "expires_at": optional(moment)})
    if "owner" in entry:
        owner = entry.read("owner", optional(text))
        values["owner"] = owners.get(ascii_lower(owner)) if owner else None
        if owner and values["owner"] is None:
            raise TogetherError
    return values


def _require_the_same(row: SSHKey, values: dict[str, Any]) -> None:
    """Raise TogetherError unless a key that an earlier entry makes has these values."""
    if any(getattr(row, name) != value for name, value in values.items()):
        raise TogetherError


def _change_deploy_key(report: Report, row: SSHKey, entry: Entry, values: dict[str, Any]) -> None:
    if row.kind != KeyKind.DEPLOY:
        raise entry.problem("key", "belongs to a user; a deploy key is a key of its own")
    if entry.get("id", integer, row.pk) != row.pk:
        raise entry.problem("id", f"the key has the id {row.pk} already")
    if "owner" in values:
        values["user"] = values.pop("owner")
    report.changed("deploy_keys", update(row, values))


def register() -> None:
    """Make the keys known."""
    for section in ("groups", "projects"):
        register_key(section, "members", 100, load_members, load_many=load_members_of_many)
        register_key(section, "shared_with", 110, load_shares, load_many=load_shares_of_many)
    register_key("projects", "redirects_from", 120, load_redirects, load_many=load_redirects_of_many, whole=True)
    register_key("projects", "deploy_keys", 130, load_deploy_keys, model=SSHKey, load_many=load_deploy_keys_of_many)
