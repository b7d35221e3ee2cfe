"""The one statement behind /allowed: who, what, and how they stand to each other.

Written out because it is asked before every clone, fetch and push: building it with the ORM would cost several times what
running it costs. The same text runs on PostgreSQL and SQLite; `tests/repositories/selectors/test_facts.py` holds it against
the models. Its parameters are `actor`, the container's, and those of `internal_api.statements.clock`.
"""

from enum import StrEnum

from accounts.selectors.actors import ACTOR_SQL, ActorKind
from internal_api.instance import VERSION_SQL


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

_COUNTS = "m.state = 'active' AND (m.expires_at IS NULL OR m.expires_at > %(today)s)"

# Each role is looked up by one probe of the index on (user, place) per place: somebody with thousands of memberships costs no more.
_ROLE_IN_PROJECT = f"SELECT m.access_level FROM repositories_member m WHERE m.user_id = u.id AND m.project_id = p.id AND {_COUNTS}"
_ROLE_ABOVE = f"""
    SELECT max((SELECT m.access_level FROM repositories_member m
                WHERE m.user_id = u.id AND m.namespace_id = l.ancestor_id AND {_COUNTS}))
    FROM repositories_namespacelineage l WHERE l.namespace_id = p.namespace_id"""
_LESSER = "CASE WHEN m.access_level < g.access_level THEN m.access_level ELSE g.access_level END"
# Members of a group invited to the project have their role in it or above it, at most the invitation's.
_ROLE_BY_PROJECT_LINK = f"""
    SELECT max((SELECT {_LESSER} FROM repositories_member m
                WHERE m.user_id = u.id AND m.namespace_id = l.ancestor_id AND {_COUNTS}))
    FROM repositories_grouplink g JOIN repositories_namespacelineage l ON l.namespace_id = g.group_id
    WHERE g.project_id = p.id"""
# Of a group invited to a group above the project only the direct members count.
_ROLE_BY_GROUP_LINK = f"""
    SELECT max((SELECT {_LESSER} FROM repositories_member m
                WHERE m.user_id = u.id AND m.namespace_id = g.group_id AND {_COUNTS}))
    FROM repositories_namespacelineage l JOIN repositories_grouplink g ON g.namespace_id = l.ancestor_id
    WHERE l.namespace_id = p.namespace_id"""

_ARCHIVED = """p.archived OR EXISTS (
    SELECT 1 FROM repositories_namespacelineage l JOIN repositories_namespace a ON a.id = l.ancestor_id
    WHERE l.namespace_id = p.namespace_id AND a.archived)"""
_PASSWORD_EXPIRED = (
    "u.user_type = 'human' AND NOT u.ldap AND u.password NOT LIKE '!%%' AND u.password <> '' AND u.password_expires_at <= %(now)s"
)

# (name, expression), in the order in which facts.py reads them.
KEY_COLUMNS = (
    "k.id",
    "k.kind",
    "k.key_type",
    "k.bits",
    "k.expires_at <= %(now)s",
    "k.expires_at <= %(in_a_week)s",
    "d.id IS NOT NULL",
    "COALESCE(d.can_push, %(false)s)",
    "k.last_used_at IS NULL OR k.last_used_at <= %(a_day_ago)s",
)
USER_COLUMNS = (
    "u.id",
    "u.username",
    "u.user_type",
    "u.state",
    "u.locked_at > %(ten_minutes_ago)s",
    "u.admin",
    "u.external",
    "u.email_confirmed",
    "u.created_at > %(three_days_ago)s",
    "u.terms_accepted",
    _PASSWORD_EXPIRED,
    "u.ssh_keys_disabled",
    "u.otp_secret IS NOT NULL AND u.otp_secret <> ''",
    "u.last_activity_on IS NULL OR u.last_activity_on < %(today)s",
    f"({_ROLE_IN_PROJECT})",
    f"({_ROLE_ABOVE})",
    f"({_ROLE_BY_PROJECT_LINK})",
    f"({_ROLE_BY_GROUP_LINK})",
    "n.owner_id = u.id",
)
PROJECT_COLUMNS = (
    "p.id",
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
    "root.id",
    "root_route.path",
    "root.kind = 'group'",
    "root.enabled_git_access_protocol",
    "root.ip_allowlist",
    "root.enforce_ssh_certificates",
    "root.over_storage_limit",
    "root.storage_limit",
    "n.default_branch_push",
    "n.developer_can_initial_push",
    "p.merge_requests_enabled AND p.printing_merge_request_link_enabled",
)
STORAGE_COLUMNS = ("storage.name", "storage.gitaly_address", "storage.gitaly_token", "p.relative_path", "p.former_path")


def _statement(actor: ActorKind, container: ContainerKind) -> str:
    columns = ", ".join([VERSION_SQL, *KEY_COLUMNS, *USER_COLUMNS, *PROJECT_COLUMNS, *STORAGE_COLUMNS])
    return f"""
        SELECT {columns}
        FROM (SELECT 1 AS one) always
        LEFT JOIN ({ACTOR_SQL[actor]}) actor ON always.one = 1
        LEFT JOIN ({_CONTAINER_SQL[container]}) p ON always.one = 1
        LEFT JOIN accounts_sshkey k ON k.id = actor.key_id
        LEFT JOIN accounts_user u ON u.id = actor.user_id
        LEFT JOIN repositories_namespace n ON n.id = p.namespace_id
        LEFT JOIN repositories_namespace root ON root.id = n.root_id
        LEFT JOIN repositories_route root_route ON root_route.namespace_id = root.id
        LEFT JOIN repositories_storage storage ON storage.id = p.storage_id
        LEFT JOIN repositories_deploykeygrant d ON d.key_id = k.id AND d.project_id = p.id
        """


FACTS_SQL: dict[tuple[ActorKind, ContainerKind], str] = {
    (actor, container): _statement(actor, container) for actor in ActorKind for container in ContainerKind
}

# The same roles for several projects; `projects` is a list of parameters.
ROLES_SQL = f"""
    SELECT p.id, u.admin OR n.owner_id = u.id,
        ({_ROLE_IN_PROJECT}), ({_ROLE_ABOVE}), ({_ROLE_BY_PROJECT_LINK}), ({_ROLE_BY_GROUP_LINK})
    FROM repositories_project p
    JOIN repositories_namespace n ON n.id = p.namespace_id
    JOIN accounts_user u ON u.id = %(user)s AND u.state = 'active'
    WHERE p.id IN ({{projects}})"""
