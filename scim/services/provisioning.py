"""Provisioning people: taking them in, letting them go, taking them back (contract: scim 1.7 to 1.9, 1.11).

What differs between a group and the instance is in two small classes; everything that changes is in one transaction with its
audit row and the scope's count.
"""

from collections.abc import Callable
from typing import Protocol

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from accounts.errors import InvalidAccountError
from accounts.models import BlockedBy, User
from accounts.services.users import block, create_user, unblock
from internal_api.models import InstanceSettings, naming
from internal_api.stored_values import is_readable
from repositories.errors import LastOwnerError
from repositories.models import Member, Namespace
from repositories.services.access import leave_group, set_member
from scim.errors import PreconditionError, ProvisioningConflictError
from scim.models import Identity, SamlIdentity, SamlProvider, Scope
from scim.new_user import NewUser
from scim.patch import Changes
from scim.selectors.identities import find_identity, find_user_by_email
from scim.selectors.scopes import OpenScope
from scim.services.usernames import free_username

NOT_ALLOWED = "The member's email address is not allowed for this group. Check with your administrator."
HIDDEN_UID = "Extern uid has already been taken by a deleted user"
LONGEST_UID = 255
_TRIES = 4


class RefusedProvisioningError(Exception):
    """Why somebody is not taken in: a sentence, which may be empty; `keeps` tells that what was written stays (scim D39)."""

    def __init__(self, sentence: str, *, keeps: bool = False) -> None:
        self.sentence = sentence
        self.keeps = keeps
        super().__init__(sentence)


class Place(Protocol):
    """What being provisioned means in a scope."""

    def admit(self, user: User) -> None:
        """Give the user what the scope gives. Raises RefusedProvisioningError."""

    def is_admitted(self, user: User) -> bool:
        """Whether the user has it."""

    def has_dismissed(self, user: User) -> bool:
        """Whether the scope itself has blocked the account, so that only `admit` opens it again."""

    def dismiss(self, user: User) -> None:
        """Take it away. Raises LastOwnerError."""

    def confirms(self, email: str) -> bool:
        """Whether a new user's address counts as confirmed."""

    def link(self, user: User, extern_uid: str) -> None:
        """Connect a new user with the single sign-on."""


class GroupPlace:
    """Membership in a top-level group."""

    def __init__(self, group: Namespace, provider: SamlProvider) -> None:
        self.group, self.provider = group, provider

    def admit(self, user: User) -> None:
        if not is_readable(self.provider, "allowed_email_domains"):
            raise RefusedProvisioningError(NOT_ALLOWED, keeps=True)
        domains = [domain.lower() for domain in self.provider.allowed_email_domains]
        if domains and user.email.rpartition("@")[2].lower() not in domains:
            raise RefusedProvisioningError(NOT_ALLOWED, keeps=True)
        if not self.is_admitted(user):
            set_member(self.group, user, self.provider.default_role)

    def is_admitted(self, user: User) -> bool:
        return Member.objects.filter(namespace=self.group, user=user).exists()

    def has_dismissed(self, user: User) -> bool:
        return False

    def dismiss(self, user: User) -> None:
        leave_group(self.group, user, and_below=True)

    def confirms(self, email: str) -> bool:
        if not is_readable(self.group, "verified_email_domains"):
            return False
        return email.rpartition("@")[2].lower() in [domain.lower() for domain in self.group.verified_email_domains]

    def link(self, user: User, extern_uid: str) -> None:
        SamlIdentity.objects.create(provider=self.provider, user=user, extern_uid=extern_uid)


class InstancePlace:
    """An account that may be used. Only a block that SCIM set is ever lifted (contract: decisions 22)."""

    def admit(self, user: User) -> None:
        unblock(user, by=BlockedBy.SCIM)

    def is_admitted(self, user: User) -> bool:
        return True

    def has_dismissed(self, user: User) -> bool:
        return user.is_blocked_by_scim

    def dismiss(self, user: User) -> None:
        block(user, by=BlockedBy.SCIM)

    def confirms(self, email: str) -> bool:
        return InstanceSettings.current().email_confirmation == "off"

    def link(self, user: User, extern_uid: str) -> None:
        """The instance's single sign-on finds people by their address."""


def place_of(scope: OpenScope) -> Place:
    """What provisioning does in this scope."""
    group = scope.scope.group
    return GroupPlace(group, scope.provider) if group is not None and scope.provider is not None else InstancePlace()


def provision(scope: OpenScope, new: NewUser, shown: Callable[[], str]) -> Identity:
    """Take somebody in; the identity, which may have been there before. `shown` gives the request's parameters for an error's text.

    Raises PreconditionError, ProvisioningConflictError. Of parallel requests one takes in, and the others find it done.
    """
    if new.missing:
        raise _failure(f"Missing params: [{', '.join(f':{name}' for name in new.missing)}]", shown)
    for attempt in range(_TRIES):
        try:
            return _provision_once(scope, new)
        except RefusedProvisioningError as refusal:
            raise _failure(refusal.sentence, shown) from refusal
        except (IntegrityError, InvalidAccountError) as error:
            if attempt == _TRIES - 1 or not _somebody_was_first(scope, new):
                raise _failure(_sentence(error), shown) from error
    raise AssertionError("The last try answers or raises.")


def _provision_once(scope: OpenScope, new: NewUser) -> Identity:
    refusal = None
    with transaction.atomic():
        try:
            return _provisioned(scope, new)
        except RefusedProvisioningError as error:
            if not error.keeps:
                raise
            refusal = error
    raise refusal


def _somebody_was_first(scope: OpenScope, new: NewUser) -> bool:
    """Whether trying again may find what made the last try fail."""
    return find_identity(scope.scope, new.extern_uid or "", deleted=True) is not None or bool(find_user_by_email(new.email or ""))


def _failure(sentence: str, shown: Callable[[], str]) -> PreconditionError | ProvisioningConflictError:
    detail = f"Error saving user with {shown()}" + (f": {sentence}" if sentence else "")
    return ProvisioningConflictError(detail) if "has already been taken" in sentence else PreconditionError(detail)


def _sentence(error: Exception) -> str:
    return "User has already been taken" if isinstance(error, IntegrityError) else str(error)


def _provisioned(scope: OpenScope, new: NewUser) -> Identity:
    place = place_of(scope)
    if len(new.extern_uid or "") > LONGEST_UID:
        raise RefusedProvisioningError("Extern uid is too long")
    identity = find_identity(scope.scope, new.extern_uid or "", deleted=True)
    user = find_user_by_email(new.email) if new.email and (identity is None or identity.deleted_at) else None
    if identity is not None:
        if user is not None and user.pk != identity.user_id:
            raise RefusedProvisioningError(HIDDEN_UID)
        return _known(scope, place, identity)
    if user is not None:
        return _connected(scope, place, user, new)
    return _new(scope, place, new)


def _known(scope: OpenScope, place: Place, identity: Identity) -> Identity:
    """An external id that is known: a deleted one comes back, a former member becomes one again, else nothing changes."""
    if identity.deleted_at is not None:
        identity = _lock(identity)
    if identity.deleted_at is not None:
        _revive(scope.scope, identity)
        place.admit(identity.user)
    elif not place.is_admitted(identity.user):
        place.admit(identity.user)
    return identity


def _connected(scope: OpenScope, place: Place, user: User, new: NewUser) -> Identity:
    """Somebody who has an account: they get an identity, and are admitted unless they are already."""
    if not new.extern_uid:
        raise RefusedProvisioningError("Extern uid can't be blank")
    identity = Identity.objects.select_for_update().filter(scope=scope.scope, user=user).select_related("user").first()
    if identity is not None and identity.deleted_at is None:
        raise RefusedProvisioningError("User has already been taken")
    if identity is None:
        if not place.is_admitted(user):
            place.admit(user)
        identity = _insert(scope.scope, user, new.extern_uid)
    else:
        identity.extern_uid = new.extern_uid
        with naming("scim_identity_revived", "scim_identity_created"):
            _revive(scope.scope, identity)
        if place.has_dismissed(identity.user) or not place.is_admitted(identity.user):
            place.admit(identity.user)
    return identity


def _new(scope: OpenScope, place: Place, new: NewUser) -> Identity:
    complaints = [
        f"{label} can't be blank"
        for label, value in (("Email", new.email), ("Extern uid", new.extern_uid), ("Name", new.name))
        if not value
    ]
    if complaints or not new.extern_uid:
        raise RefusedProvisioningError(_joined(complaints))
    email = new.email or ""
    user = create_user(username=free_username(new.username or ""), email=email, name=new.name[:255], email_confirmed=place.confirms(email))
    place.link(user, new.extern_uid)
    place.admit(user)
    with naming("scim_identity_created", "user_provisioned_by_scim", message="User was provisioned by SCIM"):
        return _insert(scope.scope, user, new.extern_uid, has_made_user=True)


def _joined(sentences: list[str]) -> str:
    """As in English: A, B, and C."""
    if len(sentences) < 3:  # noqa: PLR2004  two need no comma
        return " and ".join(sentences)
    return f"{', '.join(sentences[:-1])}, and {sentences[-1]}"


def _lock(identity: Identity) -> Identity:
    """Return the identity and its user as stored now, both locked until the caller's transaction ends."""
    return Identity.objects.select_for_update().select_related("user").get(pk=identity.pk)


def _insert(scope: Scope, user: User, extern_uid: str, *, has_made_user: bool = False) -> Identity:
    identity = Identity.objects.create(scope=scope, user=user, extern_uid=extern_uid, has_made_user=has_made_user)
    _count(scope, 1)
    return identity


def _revive(scope: Scope, identity: Identity) -> None:
    identity.active, identity.deleted_at = True, None
    identity.save()
    _count(scope, 1)


def _count(scope: Scope, change: int) -> None:
    Scope.objects.filter(pk=scope.pk).update(identity_count=F("identity_count") + change)


def change(scope: OpenScope, identity: Identity, changes: Changes, shown: Callable[[], str]) -> None:
    """Rename, then deprovision or reprovision, all or nothing. Raises PreconditionError."""
    try:
        with transaction.atomic():
            locked = _lock(identity)
            if changes.extern_uid is not None and changes.extern_uid != locked.extern_uid:
                _rename(scope.scope, locked, changes.extern_uid)
            if changes.active is False:
                _deprovision(scope, locked)
            elif changes.active is True:
                _reprovision(scope, locked)
    except RefusedProvisioningError as error:
        reason = f": {HIDDEN_UID}" if error.sentence == HIDDEN_UID else ""  # the contract's texts have no other reason here
        raise PreconditionError(f"Error updating {identity.user.name} with {shown()}{reason}") from error
    except (LastOwnerError, IntegrityError, ValidationError) as error:
        raise PreconditionError(f"Error updating {identity.user.name} with {shown()}") from error


def _rename(scope: Scope, identity: Identity, extern_uid: str) -> None:
    holder = find_identity(scope, extern_uid, deleted=True) if "\x00" not in extern_uid else None
    if holder is not None and holder.deleted_at is not None and holder.pk != identity.pk:
        raise RefusedProvisioningError(HIDDEN_UID)
    identity.extern_uid = extern_uid
    identity.full_clean(validate_unique=False, validate_constraints=False)
    identity.save(update_fields=["extern_uid", "updated_at"])


def _deprovision(scope: OpenScope, identity: Identity) -> None:
    place_of(scope).dismiss(identity.user)
    if identity.active:
        identity.active = False
        identity.save(update_fields=["active", "updated_at"])


def _reprovision(scope: OpenScope, identity: Identity) -> None:
    place = place_of(scope)
    if identity.active and identity.deleted_at is None and not place.has_dismissed(identity.user):
        return
    if identity.deleted_at is not None:
        with naming("scim_identity_revived", "user_reprovisioned_by_scim"):
            _revive(scope.scope, identity)
    identity.active = True
    identity.save(update_fields=["active", "updated_at"])
    place.admit(identity.user)


def remove(scope: OpenScope, identity: Identity) -> None:
    """Deprovision and hide. Raises PreconditionError for the last owner of a group."""
    try:
        with transaction.atomic():
            locked = _lock(identity)
            if locked.deleted_at is not None:
                return
            _deprovision(scope, locked)
            locked.deleted_at = timezone.now()
            locked.save(update_fields=["deleted_at", "updated_at"])
            _count(scope.scope, -1)
    except LastOwnerError as error:
        name = scope.scope.group.name if scope.scope.group else ""
        raise PreconditionError(f"Could not remove {identity.user.name} from {name}. Cannot remove last group owner.") from error
