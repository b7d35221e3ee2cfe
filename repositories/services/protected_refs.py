"""Protecting branches and tags."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from accounts.models import SSHKey, User
from internal_api.stored_values import validate_fields
from repositories.errors import InvalidAccessError
from repositories.models import Namespace, Project, ProtectedBranch, ProtectedRefGrant, ProtectedTag

LEVELS = {"no_one": 0, "developer": 30, "maintainer": 40, "admin": 60}
Grantee = int | User | Namespace | SSHKey
"""Whom a level lets through: a role's number, a user, a group or a deploy key."""


def _grant_fields(grantee: Grantee) -> dict[str, Any]:
    match grantee:
        case User():
            return {"user": grantee}
        case Namespace():
            return {"group": grantee}
        case SSHKey():
            return {"deploy_key": grantee}
        case _:
            return {"access_level": grantee}


def _key(grant: ProtectedRefGrant) -> tuple[object, ...]:
    return grant.kind, grant.access_level, grant.user_id, grant.group_id, grant.deploy_key_id


def _set_grants(rule: ProtectedBranch | ProtectedTag, grants: Mapping[str, Iterable[Grantee]]) -> bool:
    """Make these the rule's levels for each purpose that is named; whether anything changed."""
    column = "protected_branch" if isinstance(rule, ProtectedBranch) else "protected_tag"
    wanted = [ProtectedRefGrant(**{column: rule}, kind=kind, **_grant_fields(one)) for kind, given in grants.items() for one in given]
    present = list(rule.grants.filter(kind__in=list(grants)))
    present_keys, wanted_keys = {_key(grant) for grant in present}, {_key(grant) for grant in wanted}
    gone = [grant.pk for grant in present if _key(grant) not in wanted_keys]
    new = list({_key(grant): grant for grant in wanted if _key(grant) not in present_keys}.values())
    if gone:
        rule.grants.filter(pk__in=gone).delete()
    ProtectedRefGrant.objects.bulk_create(new)
    return bool(gone or new)


def protect_branch(
    where: Project | Namespace, name: str, grants: Mapping[str, Iterable[Grantee]], *, allow_force_push: bool | None = None
) -> bool:
    """Protect a branch, or all that a pattern covers; whether anything changed. Of groups only top-level ones have rules.

    A new rule lets maintainers push and merge, unless `grants` (of "push", "merge") say otherwise.
    Raises InvalidAccessError, and InvalidValueError for a name that can match nothing.
    """
    if isinstance(where, Namespace) and (where.parent_id is not None or not where.is_group):
        raise InvalidAccessError("Only top-level groups protect branches.")
    place = {"project": where} if isinstance(where, Project) else {"namespace": where}
    with transaction.atomic():
        defaults = {"allow_force_push": bool(allow_force_push)}
        rule, is_new = ProtectedBranch.objects.get_or_create(name=name, **place, defaults=defaults)
        if is_new:
            validate_fields(rule)
        changed = _set_grants(rule, {**({"push": [40], "merge": [40]} if is_new else {}), **grants})
        if allow_force_push is not None and rule.allow_force_push != allow_force_push:
            rule.allow_force_push = allow_force_push
            rule.save(update_fields=["allow_force_push"])
            changed = True
        return is_new or changed


@dataclass(frozen=True, slots=True)
class NewRule:
    """A rule on branches of a project or a top-level group that has none of that name."""

    where: Project | Namespace
    name: str
    grants: Mapping[str, Iterable[Grantee]]
    allow_force_push: bool


def protect_branches(new: Sequence[NewRule]) -> None:
    """Make new rules, all or none, with a fixed number of statements.

    Raises InvalidAccessError, InvalidValueError, or IntegrityError where a rule of that name is there already.
    """
    rules: list[ProtectedBranch] = []
    grants: list[ProtectedRefGrant] = []
    for one in new:
        place = {"project": one.where} if isinstance(one.where, Project) else {"namespace": one.where}
        rule = ProtectedBranch(name=one.name, allow_force_push=one.allow_force_push, **place)
        validate_fields(rule)
        rules.append(rule)
        levels = {"push": [40], "merge": [40], **one.grants}
        wanted = [
            ProtectedRefGrant(protected_branch=rule, kind=kind, **_grant_fields(who)) for kind, given in levels.items() for who in given
        ]
        grants += list({_key(grant): grant for grant in wanted}.values())
    with transaction.atomic():
        ProtectedBranch.objects.bulk_create(rules)
        ProtectedRefGrant.objects.bulk_create(grants)


def protect_tags(new: Sequence[tuple[Project, str, Mapping[str, Iterable[Grantee]]]]) -> None:
    """Make new rules on tags, all or none, with a fixed number of queries.

    Raises InvalidValueError, or IntegrityError where a rule of that name is there already.
    """
    rules: list[ProtectedTag] = []
    grants: list[ProtectedRefGrant] = []
    for project, name, levels in new:
        rule = ProtectedTag(project=project, name=name)
        validate_fields(rule)
        rules.append(rule)
        given = levels.get("create", [40])
        wanted = [ProtectedRefGrant(protected_tag=rule, kind="create", **_grant_fields(who)) for who in given]
        grants += list({_key(grant): grant for grant in wanted}.values())
    with transaction.atomic():
        ProtectedTag.objects.bulk_create(rules)
        ProtectedRefGrant.objects.bulk_create(grants)


def is_as_wanted(
    rule: ProtectedBranch | ProtectedTag, grants: Mapping[str, Iterable[Grantee]], *, allow_force_push: bool | None = None
) -> bool:
    """Whether a rule, whose levels are at hand, has these levels for each purpose that is named, and this permission."""
    present = {_key(grant) for grant in rule.grants.all() if grant.kind in grants}
    wanted = {_key(ProtectedRefGrant(kind=kind, **_grant_fields(who))) for kind, given in grants.items() for who in given}
    return present == wanted and (allow_force_push is None or getattr(rule, "allow_force_push", None) == allow_force_push)


def protect_pushed_branch(project: Project, name: str, push: int, merge: int) -> None:
    """Protect a branch that a push has made, whatever its name: a push that has happened is not refused."""
    with transaction.atomic():
        rule, is_new = ProtectedBranch.objects.get_or_create(name=name, project=project)
        if is_new:
            _set_grants(rule, {"push": [push], "merge": [merge]})


def protect_tag(project: Project, name: str, grants: Mapping[str, Iterable[Grantee]]) -> bool:
    """Protect a tag, or all that a pattern covers; a new rule lets maintainers create. Whether anything changed."""
    with transaction.atomic():
        rule, is_new = ProtectedTag.objects.get_or_create(project=project, name=name)
        if is_new:
            validate_fields(rule)
        return _set_grants(rule, {**({"create": [40]} if is_new else {}), **grants}) or is_new


def unprotect_branch(where: Project | Namespace, name: str) -> bool:
    """Let a rule go; whether there was one."""
    return where.protected_branches.filter(name=name).delete()[0] > 0


def unprotect_tag(project: Project, name: str) -> bool:
    """Let a rule go; whether there was one."""
    return project.protected_tags.filter(name=name).delete()[0] > 0
