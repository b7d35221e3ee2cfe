"""Whether somebody may make a project somewhere (contract: allowed 4.7)."""

from django.db.models import Max, Q
from django.utils import timezone

from repositories.models import Member, MemberState, Namespace, NamespaceKind, ProjectCreationLevel
from repositories.policy import Role, User
from repositories.selectors.namespaces import find_namespace

_LEAST_ROLE = {ProjectCreationLevel.DEVELOPER: Role.DEVELOPER, ProjectCreationLevel.MAINTAINER: Role.MAINTAINER}


def find_creatable_namespace(user: User, namespace_path: str) -> Namespace | None:
    """The namespace of that path, if the user may make projects in it: one's own below the limit, a group by one's role there."""
    namespace = find_namespace(namespace_path).select_related("owner").first()
    if namespace is None or namespace.archived:
        return None
    if namespace.kind == NamespaceKind.USER:
        return namespace if _is_own_with_room(user, namespace) else None
    return namespace if _may_create_in_group(user, namespace) else None


def _is_own_with_room(user: User, namespace: Namespace) -> bool:
    owner = namespace.owner
    return owner is not None and owner.pk == user.id and not user.external and namespace.projects.count() < owner.projects_limit


def _may_create_in_group(user: User, namespace: Namespace) -> bool:
    if user.admin:
        return True
    least = _LEAST_ROLE.get(ProjectCreationLevel(namespace.project_creation_level))
    above = namespace.lineage.values("ancestor")
    memberships = Member.objects.filter(user_id=user.id, namespace__in=above, state=MemberState.ACTIVE).filter(
        Q(expires_at=None) | Q(expires_at__gt=timezone.now().date())
    )
    role = memberships.aggregate(role=Max("access_level"))["role"] or 0
    return least is not None and role >= least
