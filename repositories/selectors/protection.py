"""The rules that could cover something of a push, as the policy takes them."""

import json
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from internal_api.statements import fetch_rows
from repositories.policy import BranchRule, Change, Grants, Protection, TagRule
from repositories.policy.protection import NO_PROTECTION
from repositories.selectors.protection_sql import RulesKind

# Asked for each push that webhooks are told of.
_BRANCH_NAMES = "SELECT name FROM repositories_protectedbranch WHERE project_id = %s OR namespace_id = %s"
_TAG_NAMES = "SELECT name FROM repositories_protectedtag WHERE project_id = %s"


def rules_wanted(pushed: Collection[Change]) -> tuple[RulesKind, dict[str, Any]]:
    """Which rules the changes of a push ask for, and the parameter that says of which refs; nothing where nothing is pushed."""
    if not pushed:
        return RulesKind.NONE, {}
    tags = {change.tag for change in pushed if change.tag is not None}
    names = {name for change in pushed for name in (change.branch, change.ref) if name is not None} | tags
    # A list of parameters would cost the driver several times as much.
    return RulesKind.BRANCHES_AND_TAGS if tags else RulesKind.BRANCHES, {"names": json.dumps(sorted(names))}


def protection_of(branches: str | None, tags: str | None) -> Protection:
    """What the statement has read. Levels that name somebody are judged for the actor's user, who for a deploy key is its owner."""
    if not branches and not tags:
        return NO_PROTECTION
    return Protection(
        tuple(
            BranchRule(name, grants.get("push", Grants()), grants.get("merge", Grants()), allow_force_push)
            for name, allow_force_push, grants in _rules(branches)
        ),
        tuple(TagRule(name, grants.get("create", Grants())) for name, _, grants in _rules(tags)),
    )


def _rules(text: str | None) -> Iterator[tuple[str, bool, dict[str, Grants]]]:
    """Each rule's name, whether it lets force, and what its levels grant for each purpose."""
    found: dict[int, tuple[str, bool, dict[str, list[list[Any]]]]] = {}
    for rule_id, name, force, purpose, *level in json.loads(text) if text else ():
        levels = found.setdefault(rule_id, (name, bool(force), {}))[2]
        if purpose is not None:
            levels.setdefault(purpose, []).append(level)
    for name, force, levels in found.values():
        yield name, force, {purpose: _grants(given) for purpose, given in levels.items()}


def _grants(rows: Iterable[list[Any]]) -> Grants:
    roles, user, group, deploy_key = set(), False, False, False
    for level, is_user, in_group, owns_key in rows:
        if level is not None:
            roles.add(level)
        user, group, deploy_key = user or bool(is_user), group or bool(in_group), deploy_key or bool(owns_key)
    return Grants(frozenset(roles), user, group, deploy_key)


def protected_branch_names(project_id: int, root_id: int) -> list[str]:
    """The names and patterns of all protected branches of a project and its top-level group."""
    return [name for (name,) in fetch_rows(_BRANCH_NAMES, [project_id, root_id])]


def protected_tag_names(project_id: int) -> list[str]:
    """The names and patterns of all protected tags of a project."""
    return [name for (name,) in fetch_rows(_TAG_NAMES, [project_id])]
