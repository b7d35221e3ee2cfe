"""A company in a database: people, keys, nested groups, projects and memberships, written by PostgreSQL itself within a minute.

Who may do what follows from the numbers, so that any request can be made without asking the database: see `Company`.
"""

import base64
import hashlib
from dataclasses import dataclass
from typing import LiteralString

import psycopg

_BLOB_HEAD = bytes.fromhex("0000000b7373682d6564323535313900000020")
AGENT_TOKEN = "bench-agent-token-{}"  # noqa: S105  of a company that does not exist
GROUPS_IN_A_GROUP = 5  # groups in a group
_GROUP = "g{}"


@dataclass(frozen=True, slots=True)
class Company:
    """How many of everything. Every user has two keys and five memberships: developer of one group and of four projects."""

    users: int = 100_000
    groups: int = 5_000
    projects: int = 50_000
    agents: int = 10_000

    def key_of(self, user: int) -> int:
        """The id of the user's first key."""
        return user * 2 - 1

    def project_of(self, user: int) -> int:
        """A project that the user may push to: by a membership of its own, or, for every second user, through a group above it."""
        if user % 2:
            return (user * 13 + 7919) % self.projects + 1
        return (user * 7) % self.groups + 1  # the first project of the user's group

    def key_text(self, key: int) -> str:
        """The base64 part of a key, as sshd sends it."""
        return base64.b64encode(_BLOB_HEAD + hashlib.sha256(str(key).encode()).digest()).decode()

    def group_path(self, group: int) -> str:
        """Group 1 to 4 stand alone; any other is inside the group of a fifth of its number."""
        above = group // GROUPS_IN_A_GROUP
        return f"{self.group_path(above)}/{_GROUP.format(group)}" if above else _GROUP.format(group)

    def project_path(self, project: int) -> str:
        """Projects are dealt out to the groups in turn."""
        return f"{self.group_path((project - 1) % self.groups + 1)}/p{project}"


SMALL = Company(users=1_000, groups=50, projects=500, agents=100)
LARGE = Company()

# In this order; `%(users)s` and so on are the numbers above. Ids are the numbers of the rows.
_TABLES: tuple[LiteralString, ...] = (
    """INSERT INTO repositories_storage (id, name, gitaly_address) VALUES (1, 'default', 'tcp://gitaly.example.com:8075')""",
    """INSERT INTO accounts_user (id, password, username, name, email, email_confirmed, state, user_type, admin, external, ldap,
            terms_accepted, projects_limit, ssh_keys_disabled, failed_attempts, failed_sign_ins, blocked_by, last_activity_on, created_at, updated_at)
       SELECT i, '!', 'user' || i, 'User ' || i, 'user' || i || '@example.com', true, 'active', 'human', false, false, false, false,
            100000, false, 0, 0, '', (now() AT TIME ZONE 'utc')::date, now() - interval '1 year', now()
       FROM generate_series(1, %(users)s) i""",
    """INSERT INTO accounts_sshkey (id, user_id, kind, title, key, key_type, bits, fingerprint, fingerprint_md5, usage_type, last_used_at,
            created_at, updated_at)
       SELECT i, (i + 1) / 2, 'key', 'laptop', 'ssh-ed25519 ' || replace(encode(blob, 'base64'), E'\\n', ''), 'ssh-ed25519', 256,
            rtrim(replace(encode(sha256(blob), 'base64'), E'\\n', ''), '='), md5(blob), 'auth_and_signing', now(), now(), now()
       FROM (SELECT i, '\\x0000000b7373682d6564323535313900000020'::bytea || sha256(i::text::bytea) AS blob
             FROM generate_series(1, %(users)s * 2) i) k""",
    """INSERT INTO repositories_namespace (id, kind, name, path, owner_id, parent_id, root_id, visibility, archived, project_creation_level,
            developer_can_initial_push, enabled_git_access_protocol, ip_allowlist, enforce_ssh_certificates, disable_ssh_keys,
            verified_email_domains, storage_limit, over_storage_limit, created_at, updated_at)
       SELECT i, 'group', 'g' || i, 'g' || i, NULL, NULLIF(i / 5, 0), NULL, 'private', false, 'maintainer', false, 'all', '[]'::jsonb, false, false,
            '[]'::jsonb, 0, false, now(), now() FROM generate_series(1, %(groups)s) i
       UNION ALL
       SELECT %(groups)s + i, 'user', 'User ' || i, 'user' || i, i, NULL, %(groups)s + i, 'private', false, 'maintainer', false, 'all', '[]'::jsonb,
            false, false, '[]'::jsonb, 0, false, now(), now() FROM generate_series(1, %(users)s) i""",
    """INSERT INTO repositories_namespacelineage (namespace_id, ancestor_id, depth)
       WITH RECURSIVE above (namespace_id, ancestor_id, distance) AS (
           SELECT id, id, 0 FROM repositories_namespace
           UNION ALL
           SELECT a.namespace_id, n.parent_id, a.distance + 1 FROM above a JOIN repositories_namespace n ON n.id = a.ancestor_id
           WHERE n.parent_id IS NOT NULL)
       SELECT namespace_id, ancestor_id, max(distance) OVER (PARTITION BY namespace_id) - distance FROM above""",
    """UPDATE repositories_namespace n SET root_id = l.ancestor_id FROM repositories_namespacelineage l
       WHERE l.namespace_id = n.id AND l.depth = 0 AND n.root_id IS NULL""",
    """INSERT INTO repositories_project (id, namespace_id, name, path, description, visibility, archived, storage_id, repository_exists,
            wiki_exists, empty, read_only, default_branch, repository_access_level, wiki_access_level, lfs_enabled, merge_requests_enabled,
            printing_merge_request_link_enabled, storage_size, lfs_size, default_branch_is_provisional, size_is_due, created_at, updated_at)
       SELECT i, (i - 1) %% %(groups)s + 1, 'p' || i, 'p' || i, '', 'private', false, 1, true, true, false, false, 'main', 'enabled', 'enabled',
            true, true, true, 0, 0, false, false, now(), now() FROM generate_series(1, %(projects)s) i""",
    """INSERT INTO repositories_route (path, namespace_id, project_id)
       SELECT string_agg(a.path, '/' ORDER BY l.depth), n.id, NULL
       FROM repositories_namespace n JOIN repositories_namespacelineage l ON l.namespace_id = n.id
       JOIN repositories_namespace a ON a.id = l.ancestor_id GROUP BY n.id""",
    """INSERT INTO repositories_route (path, namespace_id, project_id)
       SELECT r.path || '/' || p.path, NULL, p.id FROM repositories_project p JOIN repositories_route r ON r.namespace_id = p.namespace_id""",
    """INSERT INTO repositories_member (user_id, namespace_id, project_id, access_level, state, created_at)
       SELECT u, (u * 7) %% %(groups)s + 1, NULL, 30, 'active', now() FROM generate_series(1, %(users)s) u
       UNION ALL
       SELECT u, NULL, (u * 13 + j * 7919) %% %(projects)s + 1, 30, 'active', now()
       FROM generate_series(1, %(users)s) u, generate_series(1, 4) j""",
    # One person is everywhere.
    """INSERT INTO repositories_member (user_id, project_id, access_level, state, created_at)
       SELECT 1, i, 30, 'active', now() FROM generate_series(1, %(projects)s / 10) i ON CONFLICT DO NOTHING""",
    """INSERT INTO repositories_protectedbranch (id, project_id, name, allow_force_push)
       SELECT i, i, 'main', true FROM generate_series(1, %(projects)s) i""",
    """INSERT INTO repositories_protectedrefgrant (protected_branch_id, kind, access_level)
       SELECT i, kind, 30 FROM generate_series(1, %(projects)s) i, (VALUES ('push'), ('merge')) k (kind)""",
    """INSERT INTO kubernetes_agent_agent (id, project_id, name, has_vulnerabilities, agent_version, kubernetes_version, architecture,
            created_at, updated_at)
       SELECT i, i %% %(projects)s + 1, 'agent-' || i, false, '', '', '', now(), now() FROM generate_series(1, %(agents)s) i""",
    """INSERT INTO kubernetes_agent_agenttoken (agent_id, name, description, token_digest, status, last_used_at, created_at)
       SELECT i, 'first', '', encode(sha256(('bench-agent-token-' || i)::bytea), 'hex'), 'active', now(), now()
       FROM generate_series(1, %(agents)s) i""",
    """INSERT INTO scim_scope (id, identity_count) VALUES (1, %(users)s)""",
    """INSERT INTO scim_identity (id, scope_id, user_id, extern_uid, active, has_made_user, created_at, updated_at)
       SELECT i, 1, i, 'uid-' || i, true, false, now(), now() FROM generate_series(1, %(users)s) i""",
)
_WITH_IDS: tuple[LiteralString, ...] = (
    "repositories_storage",
    "accounts_user",
    "accounts_sshkey",
    "repositories_namespace",
    "repositories_project",
    "repositories_protectedbranch",
    "kubernetes_agent_agent",
    "scim_scope",
    "scim_identity",
)


def fill(url: str, company: Company) -> None:
    """Write the company into a migrated, empty database."""
    numbers = {"users": company.users, "groups": company.groups, "projects": company.projects, "agents": company.agents}
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        for statement in _TABLES:
            connection.execute(statement, numbers)
        for table in _WITH_IDS:
            connection.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}")  # noqa: S608  names of ours
        connection.execute("VACUUM ANALYZE")
