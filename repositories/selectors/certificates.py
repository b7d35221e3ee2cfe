"""Whom a certificate authority of a group vouches for (contract: shell-endpoints 4)."""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from accounts.models import User
from internal_api.errors import ForbiddenError, NotFoundError
from repositories.models import EnterpriseUser, GroupSSHCertificate, Member, MemberState


@dataclass(frozen=True, slots=True)
class CertifiedUser:
    """A user, and the group that the certificate opens."""

    username: str
    namespace: str


def find_user_by_login(login: str) -> User | None:
    """By primary e-mail address when there is an `@` in it, else by username; in any letter case."""
    if "@" in login:
        return User.matching_email(login).first()
    user: User | None = User.matching_username(login).first()
    return user


def certified_user(ca_fingerprint: str, login: str) -> CertifiedUser:
    """The user of that name in the first group whose authority this is and that vouches for the user. Three statements at most.

    Raises NotFoundError and ForbiddenError with the last group's reason. Any membership counts, of the least access too, as
    long as it is active and not over.
    """
    members = Member.objects.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now().date()), state=MemberState.ACTIVE)
    certificates = GroupSSHCertificate.objects.filter(fingerprint=ca_fingerprint).order_by("pk").select_related("group__route")
    user = find_user_by_login(login) if certificates else None
    if not certificates:
        raise NotFoundError("Certificate Not Found")
    if user is None:
        raise NotFoundError("User Not Found")
    vouched = certificates.annotate(
        has_member=Exists(members.filter(user=user, namespace=OuterRef("group"))),
        has_enterprise_user=Exists(EnterpriseUser.objects.filter(user=user, group=OuterRef("group"))),
    )
    refusal: NotFoundError | ForbiddenError = NotFoundError("Certificate Not Found")
    for certificate in vouched:
        if not certificate.has_member:
            refusal = NotFoundError("User Not Found")
        elif not certificate.has_enterprise_user:
            refusal = ForbiddenError("Not an Enterprise User of the group")
        else:
            return CertifiedUser(user.username, certificate.group.route.path)
    raise refusal
