"""Who can reach a project, and why: every way in which somebody has a role there."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.utils import timezone

from repositories.models import AccessLevel, GroupLink, Member, MemberState, NamespaceLineage, Project

MOST = 1000


@dataclass(frozen=True, slots=True)
class Reach:
    """One way in: whose, which role it gives, and where it comes from."""

    username: str
    user_id: int
    level: int
    source: str

    @property
    def role(self) -> str:
        return AccessLevel(self.level).label


def who_reaches(project: Project) -> list[Reach]:
    """All ways in, by name and the highest role first; at most a thousand. Ten statements at most, however many groups are invited.

    Administrators reach everything and are not listed; nor are those who reach what is public or internal.
    """
    ancestors = list(NamespaceLineage.objects.filter(namespace=project.namespace_id).values_list("ancestor_id", flat=True))
    found = [*_owner(project), *_members(_counting().filter(project=project), "member of the project")]
    inherited = _counting().filter(namespace__in=ancestors).select_related("namespace__route")
    found += [_reach(member, member.access_level, f"member of {_path(member)}") for member in inherited[:MOST]]
    found += _invited(GroupLink.objects.filter(project=project), inherits=True)
    found += _invited(GroupLink.objects.filter(namespace__in=ancestors), inherits=False)
    return sorted(found, key=lambda reach: (reach.username.lower(), -reach.level))[:MOST]


def _counting() -> QuerySet[Member]:
    today = timezone.now().date()
    members = Member.objects.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=today), state=MemberState.ACTIVE)
    return members.select_related("user").order_by("user__username")


def _reach(member: Member, level: int, source: str) -> Reach:
    return Reach(member.user.username, member.user_id, level, source)


def _path(member: Member) -> str:
    return member.namespace.route.path if member.namespace is not None else ""


def _members(members: QuerySet[Member], source: str) -> list[Reach]:
    return [_reach(member, member.access_level, source) for member in members[:MOST]]


def _owner(project: Project) -> Iterable[Reach]:
    owner = project.namespace.owner
    if owner is not None:
        yield Reach(owner.username, owner.pk, AccessLevel.OWNER, "owner of the namespace")


def _invited(links: QuerySet[GroupLink], *, inherits: bool) -> list[Reach]:
    """Members of invited groups: of a group invited to a project inherited ones too, of one invited to a group direct ones."""
    found: list[Reach] = []
    invitations = list(links.select_related("group__route"))
    if not invitations:
        return found
    above = defaultdict(set)
    for group, ancestor, depth in NamespaceLineage.objects.filter(namespace__in=[link.group_id for link in invitations]).values_list(
        "namespace_id", "ancestor_id", "depth"
    ):
        if inherits or depth == 0:
            above[group].add(ancestor)
    members = list(_counting().filter(namespace__in=set().union(*above.values()))[:MOST])
    for link in invitations:
        source = f"member of {link.group.route.path}, which is invited"
        found += [
            _reach(member, min(member.access_level, link.access_level), source)
            for member in members
            if member.namespace_id in above[link.group_id]
        ]
    return found
