"""The part of the statement behind /allowed that reads the protected branches and tags: two columns, each a list of lists as JSON.

Subqueries of that statement, whose `u`, `p` and `root` are the acting user, the project and its top-level namespace. Each inner list is one
level of a rule: the rule's id and name and whether it lets force; then what the level is for, its role, and whether it names the acting
user, a group through which the user is let in, or a writing deploy key of the user's (contract: allowed 5.5).
"""

from enum import StrEnum

from repositories.selectors.roles_sql import COUNTS


class RulesKind(StrEnum):
    """Which rules are read. A deploy key's push of a tag is judged by branches' patterns too; most pushes have no tags."""

    NONE = "none"
    BRANCHES = "branches"
    BRANCHES_AND_TAGS = "branches and tags"


_IN_GROUP = f"""EXISTS (SELECT 1 FROM repositories_grouplink i JOIN repositories_member m ON m.namespace_id = i.group_id
WHERE i.project_id = p.id AND i.group_id = g.group_id AND i.access_level >= 30
AND m.user_id = u.id AND m.access_level >= 30 AND {COUNTS})"""
_OWNS_KEY = """EXISTS (SELECT 1 FROM accounts_sshkey o JOIN repositories_deploykeygrant w ON w.key_id = o.id
WHERE o.id = g.deploy_key_id AND o.user_id = u.id AND w.project_id = p.id AND w.can_push)"""
_LEVEL = f"g.kind, g.access_level, g.user_id = u.id, {_IN_GROUP}, {_OWNS_KEY}"
_AS_JSON = {
    "postgresql": "CAST(json_agg(json_build_array({columns})) AS text)",
    "sqlite": "json_group_array(json_array({columns}))",
}
# A rule concerns this push when it names one of its refs or is a pattern; the policy matches patterns. `names` is a list as JSON.
_CONCERNS = {
    "postgresql": "(r.name = ANY(ARRAY(SELECT jsonb_array_elements_text(%(names)s))) OR r.name LIKE '%%*%%')",
    "sqlite": "(r.name IN (SELECT value FROM json_each(%(names)s)) OR r.name LIKE '%%*%%')",
}


def _column(rule: str, table: str, of_level: str, scope: str, vendor: str) -> str:
    levels = _AS_JSON[vendor].format(columns=f"{rule}, {_LEVEL}")
    return f"""(SELECT {levels} FROM {table} r LEFT JOIN repositories_protectedrefgrant g ON g.{of_level} = r.id
WHERE {scope} AND {_CONCERNS[vendor]})"""


def rules_sql(rules: RulesKind, vendor: str) -> str:
    """The columns."""
    branches = tags = "NULL"
    if rules is not RulesKind.NONE:
        scope = "(r.project_id = p.id OR r.namespace_id = root.id)"
        rule = "r.id, r.name, r.allow_force_push"
        branches = _column(rule, "repositories_protectedbranch", "protected_branch_id", scope, vendor)
    if rules is RulesKind.BRANCHES_AND_TAGS:
        tags = _column("r.id, r.name, FALSE", "repositories_protectedtag", "protected_tag_id", "r.project_id = p.id", vendor)
    return f"{branches}, {tags}"
