"""Who may use a cluster through the Kubernetes proxy, and as whom (contract: kubernetes-agent 2.4)."""

from collections.abc import Mapping
from typing import Any

from accounts.models import User
from internal_api.errors import ForbiddenError
from kubernetes_agent.models import AccessKind, Agent, AgentAuthorization
from repositories.policy import Role
from repositories.selectors.roles import inherited_roles_in_groups, roles_in_projects

_NO_KEYWORD = "`user_access` keyword is not found in agent config file."
_NO_ACCESS_AS = "`access_as` is not found under the `user_access` keyword."
_TWO_ACCESS_AS = "`access_as` must exist only once under the `user_access` keyword."
_NO_MEMBER = "You must be a member of `projects` or `groups` under the `user_access` keyword."
_ROLES = (Role.GUEST, Role.PLANNER, Role.REPORTER, Role.SECURITY_MANAGER, Role.DEVELOPER, Role.MAINTAINER, Role.OWNER)


def access_as(agent: Agent, user: User) -> dict[str, Any]:
    """As whom the user reaches the cluster: as the agent, or as themselves with their roles. Raises ForbiddenError. Three statements."""
    rows = list(AgentAuthorization.objects.filter(agent=agent, kind=AccessKind.USER).only("project_id", "group_id", "config"))
    kind = _kind(rows[0].config if rows else {})
    projects = _qualified(roles_in_projects(user.pk, [row.project_id for row in rows if row.project_id]))
    groups = _qualified(_roles_in_groups(user, [row.group_id for row in rows if row.group_id]))
    if not projects and not groups:
        raise ForbiddenError(_NO_MEMBER)
    if kind == "agent":
        return {"agent": {}}
    return {"user": {"projects": _with_roles(projects), "groups": _with_roles(groups)}}


def _kind(config: Mapping[str, Any]) -> str:
    if not config:
        raise ForbiddenError(_NO_KEYWORD)
    kinds = config.get("access_as")
    if not isinstance(kinds, Mapping) or not kinds:
        raise ForbiddenError(_NO_ACCESS_AS)
    if len(kinds) > 1:
        raise ForbiddenError(_TWO_ACCESS_AS)
    kind = str(next(iter(kinds)))
    if kind not in {"agent", "user"}:
        raise ForbiddenError(_NO_ACCESS_AS)
    return kind


def _roles_in_groups(user: User, group_ids: list[int]) -> dict[int, int]:
    if user.admin and user.is_active:
        return dict.fromkeys(group_ids, int(Role.OWNER))
    return inherited_roles_in_groups(user.pk, group_ids)


def _qualified(roles: Mapping[int, int]) -> dict[int, int]:
    return {place: role for place, role in roles.items() if role >= Role.DEVELOPER}


def _with_roles(places: Mapping[int, int]) -> list[dict[str, Any]]:
    return [{"id": place, "roles": [name.name.lower() for name in _ROLES if name <= role]} for place, role in sorted(places.items())]
