"""The token of a scope, as a digest; after a rotation the former one is good for a while."""

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from internal_api.models import Audited
from scim.models.identities import Scope


class Profile(models.TextChoices):
    """How strictly a token's callers are answered."""

    GITLAB = "gitlab", "GitLab"


class SCIMToken(Audited):
    """With what an identity provider proves who it is. `profile` names how strictly it is answered; only GitLab's way exists so far."""

    scope = models.OneToOneField(Scope, on_delete=models.CASCADE, related_name="token")
    token_digest = models.CharField(max_length=64, unique=True, editable=False)
    previous_digest = models.CharField(max_length=64, default="", blank=True, db_index=True, editable=False)
    previous_expires_at = models.DateTimeField(null=True, blank=True)
    profile = models.CharField(max_length=16, choices=Profile, default=Profile.GITLAB)
    created_at = models.DateTimeField(default=timezone.now)
    rotated_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    audit_ignored = frozenset({"rotated_at"})
    audit_related = ("scope__group__route",)

    class Meta:
        verbose_name = "SCIM token"
        constraints: ClassVar = [models.CheckConstraint(condition=models.Q(profile__in=Profile.values), name="scim_token_profile_known")]

    def __str__(self) -> str:
        return f"token of {self.scope_id}"

    def audit_name(self) -> str:
        group = self.scope.group
        return group.audit_name() if group else "instance"

    def audit_action(self, verb: str, changes: dict[str, Any]) -> str:
        rotated = verb == "changed" and "token_digest" in changes
        return "scim_token_rotated" if rotated else super().audit_action(verb, changes)
