"""The one statement behind /allowed: who, what, and how they stand to each other.

Written out because it is asked before every clone, fetch and push: building it with the ORM would cost several times what
running it costs. Both databases run it, but for one line of the rules on refs in either's own JSON (`protection_sql`);
`tests/repositories/selectors/test_facts.py` holds it against the models. Its parameters are `actor`, the container's, those of
`internal_api.statements.clock`, and `names` where rules are read.

Read `facts_sql` first: one row that is always there, the key and the user beside it, the project beside those, and what hangs on each.
The comments stand beside the SQL, not in it: psycopg parses a text of more than 4,096 bytes anew for every call, a third of what the
statement costs. Those of pulls are shorter, and those of pushes of branches as Gitaly asks them, which a test holds.
"""

from enum import StrEnum
from functools import cache

from accounts.selectors.actors import ACTOR_SQL, ActorKind
from internal_api.instance import VERSION_SQL
from repositories.selectors.protection_sql import RulesKind, rules_sql
from repositories.selectors.roles_sql import ROLE_AROUND, ROLE_IN_PROJECT


class ContainerKind(StrEnum):
    """By what a project is named."""

    ID = "id"
    PATH = "path"
    PATH_OR_SHORTER = "path_or_shorter"
    """A path such as `g/p.wiki`: the project really called so, or else the one that the shorter path names."""
    FORMER_PATH = "former_path"
    """A path that a project, or the one of the shorter path, used to have."""


_PROJECT = (
    "SELECT p.*, r.path AS full_path, {former} AS former_path FROM repositories_project p JOIN repositories_route r ON r.project_id = p.id "
)
_CONTAINER = _PROJECT.format(former="''") + "WHERE "
_EITHER = "(lower({table}.path) = %(path)s OR lower({table}.path) = %(shorter_path)s) ORDER BY length({table}.path) DESC LIMIT 1"
_CONTAINER_SQL = {
    ContainerKind.ID: _CONTAINER + "p.id = %(project_id)s",
    ContainerKind.PATH: _CONTAINER + "lower(r.path) = %(path)s",
    ContainerKind.PATH_OR_SHORTER: _CONTAINER + _EITHER.format(table="r"),
    ContainerKind.FORMER_PATH: _PROJECT.format(former="lower(f.path)")
    + "JOIN repositories_redirectroute f ON f.project_id = p.id WHERE "
    + _EITHER.format(table="f"),
}

# A project is archived by itself or with any group above it.
_ARCHIVED = """p.archived OR EXISTS (SELECT 1 FROM repositories_namespacelineage l
JOIN repositories_namespace a ON a.id = l.ancestor_id WHERE l.namespace_id = p.namespace_id AND a.archived)"""
# Only a person's own password can expire: not LDAP's, and none that is unusable or was never set (`%%` is a literal percent sign).
_PASSWORD_EXPIRED = (
    "u.user_type = 'human' AND NOT u.ldap AND u.password NOT LIKE '!%%' AND u.password <> '' AND u.password_expires_at <= %(now)s"
)

# In the order in which facts.py reads them.
KEY_COLUMNS = (
    "k.id",  # NULL when nobody came with a key
    "k.kind",  # a person's or a deploy key
    "k.key_type",  # for the site's rules on keys, which may have changed since it was added
    "k.bits",
    "k.expires_at <= %(now)s",  # NULL, which is false, for one that never does
    "k.expires_at <= %(in_a_week)s",  # the answer warns of it
    "d.id IS NOT NULL",  # a deploy key that is enabled here
    "d.can_push",  # NULL, which is false, for any other
    "k.last_used_at IS NULL OR k.last_used_at <= %(a_day_ago)s",  # the use is written down once a day
)
USER_COLUMNS = (
    "u.id",  # NULL for nobody
    "u.username",
    "u.user_type",
    "u.state",
    "u.locked_at > %(ten_minutes_ago)s",  # a lock ends by itself
    "u.admin",
    "u.external",
    "u.email_confirmed",
    "u.created_at > %(three_days_ago)s",  # new enough not to have confirmed an address, where that is asked softly
    "u.terms_accepted",
    _PASSWORD_EXPIRED,
    "u.ssh_keys_disabled",
    "u.otp_secret <> ''",  # whether, never what
    "u.last_activity_on IS NULL OR u.last_activity_on < %(today)s",  # written down once a day
    f"({ROLE_IN_PROJECT})",  # the higher of the two counts; NULL is none
    f"({ROLE_AROUND})",
    "n.owner_id = u.id",  # one's own namespace: owner
)
PROJECT_COLUMNS = (
    "p.id",  # NULL when there is no such project
    "p.full_path",
    "p.visibility",
    _ARCHIVED,
    "p.read_only",
    "p.empty",
    "p.repository_exists",
    "p.wiki_exists",
    "p.repository_access_level",
    "p.wiki_access_level",
    "p.default_branch",
    "root.id",  # the top-level namespace, which has rules for all below it
    "root_route.path",
    "root.kind = 'group'",
    "root.enabled_git_access_protocol",
    "root.ip_allowlist",
    "root.enforce_ssh_certificates",
    "root.over_storage_limit",
    "root.storage_limit",
    "n.default_branch_push",  # how default branches are protected while there is no rule; NULL where the instance decides
    "n.developer_can_initial_push",
    "p.merge_requests_enabled AND p.printing_merge_request_link_enabled",
    "p.lfs_enabled",
    "p.lfs_size",  # 0 when it has no LFS objects; an empty one is never named by a pointer
)
STORAGE_COLUMNS = ("p.storage_id", "storage.name", "storage.gitaly_address", "storage.gitaly_token", "p.relative_path", "p.former_path")


_JOINS = (
    # Each at most one row for the one before, by a primary key or a unique index, so there is one row whatever is found or not.
    "LEFT JOIN accounts_sshkey k ON k.id = actor.key_id",
    "LEFT JOIN accounts_user u ON u.id = actor.user_id",
    "LEFT JOIN repositories_namespace n ON n.id = p.namespace_id",
    "LEFT JOIN repositories_namespace root ON root.id = n.root_id",
    "LEFT JOIN repositories_route root_route ON root_route.namespace_id = root.id",
    "LEFT JOIN repositories_storage storage ON storage.id = p.storage_id",
    "LEFT JOIN repositories_deploykeygrant d ON d.key_id = k.id AND d.project_id = p.id",
)


@cache
def facts_sql(actor: ActorKind, container: ContainerKind, rules: RulesKind, vendor: str) -> str:
    """The statement for one way of naming who and what, on the database of this vendor; `rules` are read when something is pushed."""
    # The version of the settings comes along, so that knowing whether the remembered ones are fresh costs nothing.
    columns = ", ".join([VERSION_SQL, *KEY_COLUMNS, *USER_COLUMNS, *PROJECT_COLUMNS, *STORAGE_COLUMNS, rules_sql(rules, vendor)])
    # Neither who asks nor what is asked for need exist: both are joined to a row that is always there.
    who = f"LEFT JOIN ({ACTOR_SQL[actor]}) actor ON TRUE"
    what = f"LEFT JOIN ({_CONTAINER_SQL[container]}) p ON TRUE"
    return "\n".join([f"SELECT {columns}", "FROM (SELECT 1) always", who, what, *_JOINS])
