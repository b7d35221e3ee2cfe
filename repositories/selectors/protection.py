"""The rules that could cover something of a push, in one statement however many there are."""

import json
from collections.abc import Collection, Iterable
from typing import Any

from django.db import connection
from django.db.models import Q

from internal_api.statements import Row, clock
from repositories.models import ProtectedBranch
from repositories.policy import Actor, BranchRule, Change, Grants, Project, Protection, TagRule

# A rule concerns this push when it names one of its refs or is a pattern; the policy matches patterns.
_NAMED = {
    "postgresql": "(r.name = ANY(ARRAY(SELECT jsonb_array_elements_text(%(names)s))) OR r.name LIKE '%%*%%')",
    "sqlite": "(r.name IN (SELECT value FROM json_each(%(names)s)) OR r.name LIKE '%%*%%')",
}
_GROUP = """EXISTS (SELECT 1 FROM repositories_grouplink link WHERE link.project_id = %(project_id)s AND link.group_id = g.group_id
        AND link.access_level >= 30)
    AND EXISTS (SELECT 1 FROM repositories_member m WHERE m.namespace_id = g.group_id AND m.user_id = %(user_id)s
        AND m.access_level BETWEEN 30 AND 50 AND m.state = 'active' AND (m.expires_at IS NULL OR m.expires_at > %(today)s))"""
_DEPLOY_KEY = """EXISTS (SELECT 1 FROM accounts_sshkey k JOIN repositories_deploykeygrant d ON d.key_id = k.id
    WHERE k.id = g.deploy_key_id AND k.user_id = %(user_id)s AND d.project_id = %(project_id)s AND d.can_push)"""
_BRANCHES = f"""
SELECT 'branch', r.id, r.name, r.allow_force_push, g.kind, g.access_level, g.user_id = %(user_id)s, {_GROUP}, {_DEPLOY_KEY}
FROM repositories_protectedbranch r LEFT JOIN repositories_protectedrefgrant g ON g.protected_branch_id = r.id
WHERE (r.project_id = %(project_id)s OR r.namespace_id = %(root_id)s) AND {{named}}
"""
_TAGS = f"""
SELECT 'tag', r.id, r.name, %(false)s, g.kind, g.access_level, g.user_id = %(user_id)s, {_GROUP}, {_DEPLOY_KEY}
FROM repositories_protectedtag r LEFT JOIN repositories_protectedrefgrant g ON g.protected_tag_id = r.id
WHERE r.project_id = %(project_id)s AND {{named}}
"""
# By database, and by whether tags are pushed; most pushes have none. Branches' patterns concern every ref that a deploy key pushes.
_STATEMENTS = {
    (vendor, with_tags): (f"{_BRANCHES} UNION ALL {_TAGS}" if with_tags else _BRANCHES).format(named=named)
    for vendor, named in _NAMED.items()
    for with_tags in (False, True)
}


def find_protection(actor: Actor, project: Project, changes: Collection[Change]) -> Protection:
    """The protected branches and tags of the project and its top-level group that could matter to these changes.

    What a level grants to somebody by name is judged for the actor's user, who for a deploy key is its owner.
    """
    tags = {change.tag for change in changes if change.tag is not None}
    names = {name for change in changes for name in (change.branch, change.ref) if name is not None} | tags
    params = {
        "project_id": project.id,
        "root_id": project.root_id,
        "user_id": actor.user.id if actor.user else 0,
        "names": json.dumps(sorted(names)),  # a list of parameters costs the driver several times as much
        "false": False,
        "today": clock()["today"],
    }
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENTS[connection.vendor, bool(tags)], params)
        return _protection(cursor.fetchall())


def _protection(rows: Iterable[Row]) -> Protection:
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for table, rule_id, name, force, kind, *grant in rows:
        rule = found.setdefault((table, rule_id), {"name": name, "force": bool(force), "grants": {}})
        if kind is not None:
            rule["grants"].setdefault(kind, []).append(grant)
    branches, tags = [], []
    for (table, _), rule in found.items():
        grants = {kind: _grants(given) for kind, given in rule["grants"].items()}
        if table == "branch":
            branches.append(BranchRule(rule["name"], grants.get("push", Grants()), grants.get("merge", Grants()), rule["force"]))
        else:
            tags.append(TagRule(rule["name"], grants.get("create", Grants())))
    return Protection(tuple(branches), tuple(tags))


def _grants(rows: Iterable[list[Any]]) -> Grants:
    roles, user, group, deploy_key = set(), False, False, False
    for level, is_user, in_group, owns_key in rows:
        if level is not None:
            roles.add(level)
        user, group, deploy_key = user or bool(is_user), group or bool(in_group), deploy_key or bool(owns_key)
    return Grants(frozenset(roles), user, group, deploy_key)


def protected_branch_names(project: Project) -> list[str]:
    """The names and patterns of all protected branches, for the rare question whether some commits are new to them."""
    rules = ProtectedBranch.objects.filter(Q(project_id=project.id) | Q(namespace_id=project.root_id))
    return list(rules.values_list("name", flat=True))
