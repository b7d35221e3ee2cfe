"""A user's roles in several places at once."""

from collections.abc import Collection
from typing import Any

from django.db import connection
from django.db.models import Max, Q
from django.utils import timezone

from internal_api.statements import day
from repositories.models import MemberState, NamespaceLineage
from repositories.policy import Role
from repositories.selectors.roles_sql import ROLES_SQL


def roles_in_projects(user_id: int, project_ids: Collection[int]) -> dict[int, int]:
    """The user's effective role in each of these projects, by every way there is; without those where there is none. One statement.

    An administrator, and the owner of the namespace, has an owner's; a user who is not active has none.
    """
    if not project_ids:
        return {}
    params: dict[str, Any] = {"user": user_id, "today": day(timezone.now().date())}
    params |= {f"project{number}": project_id for number, project_id in enumerate(project_ids)}
    names = ", ".join(f"%(project{number})s" for number in range(len(project_ids)))
    with connection.cursor() as cursor:
        cursor.execute(ROLES_SQL.format(projects=names), params)
        rows = cursor.fetchall()
    found = {}
    for project_id, is_owner, *roles in rows:
        role = Role.OWNER if is_owner else max(role or 0 for role in roles)
        if role:
            found[project_id] = int(role)
    return found


def inherited_roles_in_groups(user_id: int, group_ids: Collection[int]) -> dict[int, int]:
    """The highest role of the user's active memberships in each of these groups or above it; of an active user. One statement."""
    rows = (
        NamespaceLineage.objects.filter(
            Q(ancestor__members__expires_at__isnull=True) | Q(ancestor__members__expires_at__gt=timezone.now().date()),
            namespace__in=list(group_ids),
            ancestor__members__user=user_id,
            ancestor__members__user__state="active",
            ancestor__members__state=MemberState.ACTIVE,
        )
        .values_list("namespace_id")
        .annotate(role=Max("ancestor__members__access_level"))
    )
    return dict(rows)
