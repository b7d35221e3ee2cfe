"""Where a first push would create its project (contract: allowed 4.7)."""

from django.db.models import Exists, Max, OuterRef, Q
from django.db.models.functions import Least
from django.utils import timezone

from internal_api.stored_values import report_unreadable
from repositories.models import Member, MemberState, Namespace, NamespaceKind, NamespaceLineage, ProjectCreationLevel
from repositories.policy import Destination, Role, User
from repositories.policy.addresses import readable_ranges
from repositories.selectors.namespaces import find_namespace

_LEAST_ROLE = {ProjectCreationLevel.DEVELOPER: Role.DEVELOPER, ProjectCreationLevel.MAINTAINER: Role.MAINTAINER}
_ARCHIVED = NamespaceLineage.objects.filter(namespace=OuterRef("pk"), ancestor__archived=True)


def find_destination(user: User, namespace_path: str) -> Destination | None:
    """The namespace of that path as the user stands to it, and the rules that a project in it would inherit; None without one."""
    found = find_namespace(namespace_path).select_related("owner", "root__route").annotate(is_archived=Exists(_ARCHIVED))
    namespace = found.first()
    if namespace is None or namespace.root is None:
        return None
    root = namespace.root
    ranges = readable_ranges(root.ip_allowlist)
    if ranges is None:
        report_unreadable(Namespace._meta.db_table, "ip_allowlist", root.pk)  # noqa: SLF001  Django's public name for it
    is_personal = namespace.kind == NamespaceKind.USER
    may_create = _is_own(user, namespace) if is_personal else _may_create_in_group(user, namespace)
    return Destination(
        namespace.pk,
        may_create=may_create,
        has_room=not (is_personal and may_create) or _has_room(namespace),
        archived=namespace.is_archived,
        root_path=root.route.path,
        root_is_group=root.is_group,
        root_protocol=root.enabled_git_access_protocol,
        root_ip_allowlist=ranges or (),
        root_enforces_ssh_certificates=root.enforce_ssh_certificates,
        has_unreadable_rules=ranges is None,
    )


def _is_own(user: User, namespace: Namespace) -> bool:
    return namespace.owner_id == user.id and not user.external


def _has_room(namespace: Namespace) -> bool:
    owner = namespace.owner
    return owner is not None and namespace.projects.count() < owner.projects_limit


def _may_create_in_group(user: User, namespace: Namespace) -> bool:
    if user.admin:
        return True
    least = _LEAST_ROLE.get(ProjectCreationLevel(namespace.project_creation_level))
    return least is not None and _role_in_group(user, namespace) >= least


def _role_in_group(user: User, group: Namespace) -> int:
    """The highest role: of a member here or above, or of a direct member of an invited group, at most the invitation's."""
    counts = Q(expires_at=None) | Q(expires_at__gt=timezone.now().date())
    memberships = Member.objects.filter(counts, user_id=user.id, state=MemberState.ACTIVE)
    above = group.lineage.values("ancestor")
    own = memberships.filter(namespace__in=above).aggregate(role=Max("access_level"))
    invited = memberships.filter(namespace__invitations__namespace__in=above).aggregate(
        role=Max(Least("access_level", "namespace__invitations__access_level"))
    )
    return max(own["role"] or 0, invited["role"] or 0)
