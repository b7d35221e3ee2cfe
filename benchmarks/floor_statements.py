"""The floor's statements: the service's own where it has written them out, the best that can be written where the ORM makes them."""

from accounts.selectors.actors import _WHO_SQL, ActorKind
from accounts.selectors.ssh_keys import _SQL
from internal_api.shared_store.redis import _DECREASE, _INCREASE
from repositories.selectors.facts_sql import ContainerKind, facts_sql
from repositories.selectors.protection_sql import RulesKind

_PEOPLE = """
SELECT i.extern_uid, i.active, u.username, u.name, u.email FROM scim_identity i JOIN accounts_user u ON u.id = i.user_id
WHERE i.id IN (SELECT id FROM scim_identity WHERE scope_id = 1 AND deleted_at IS NULL ORDER BY id {order} LIMIT %(size)s OFFSET %(offset)s)
ORDER BY i.id
"""
FLOOR_TABLE = "CREATE TABLE IF NOT EXISTS benchmark_floor_push (id bigserial PRIMARY KEY, repository text, changes text, at timestamptz)"
STATEMENTS = {
    "allowed": facts_sql(ActorKind.KEY, ContainerKind.PATH, RulesKind.NONE, "postgresql"),
    "allowed_push": facts_sql(ActorKind.KEY, ContainerKind.PATH, RulesKind.BRANCHES, "postgresql"),
    "authorized_keys": _SQL,
    "discover": _WHO_SQL[ActorKind.KEY],
    "increase": _INCREASE,
    "decrease": _DECREASE,
    "post_receive": "INSERT INTO benchmark_floor_push (repository, changes, at) VALUES (%(repository)s, %(changes)s, now()) RETURNING id",
    "agent_info": """
        SELECT a.id, a.name, p.id, r.path, p.default_branch, s.name, s.gitaly_address, s.gitaly_token
        FROM kubernetes_agent_agenttoken t JOIN kubernetes_agent_agent a ON a.id = t.agent_id JOIN repositories_project p ON p.id = a.project_id
        JOIN repositories_route r ON r.project_id = p.id JOIN repositories_storage s ON s.id = p.storage_id
        WHERE t.token_digest = %(digest)s AND t.status = 'active'""",
    "scim_first": _PEOPLE.format(order="ASC"),
    "scim_last": _PEOPLE.format(order="DESC"),
}
