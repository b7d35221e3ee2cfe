"""Tokens people give to programs; only their digests are kept."""

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from accounts.models.user import User
from internal_api.acting import ActorKind, Identity
from internal_api.blank_names import not_blank, validate_not_blank
from internal_api.model_fields import StringListField, json_type_is
from internal_api.models import Audited

SCOPES = (
    "api",
    "create_runner",
    "k8s_proxy",
    "manage_runner",
    "read_api",
    "read_registry",
    "read_repository",
    "read_user",
    "self_rotate",
    "write_registry",
    "write_repository",
)
"""The scopes there are, in the order in which messages list them (contract: shell-endpoints e28)."""


def scope_problem(scope: str) -> str | None:
    """What is wrong with a scope, as a sentence that names it; None for nothing."""
    return None if scope in SCOPES else f"There is no scope {scope!r}."


class PersonalAccessToken(Audited):
    """A token of a user, with what it may be used for."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="personal_access_tokens")
    name = models.CharField(max_length=255, validators=[validate_not_blank])
    token_digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = StringListField(find_problem=scope_problem)
    expires_at = models.DateField(null=True, blank=True)
    revoked = models.BooleanField(default=False)
    last_used_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    audit_related = ("user",)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["user", "name"])]
        constraints: ClassVar = [
            not_blank("name", name="personal_access_token_name_not_blank"),
            json_type_is("scopes", "array", name="personal_access_token_scopes_is_list"),
        ]

    def __str__(self) -> str:
        return self.name

    def audit_name(self) -> str:
        return f"{self.user.username}/{self.name}"

    def audit_identity(self) -> Identity:
        """Return whoever uses the token, for the audit log."""
        return Identity(ActorKind.TOKEN, self.user_id, self.user.username, f"personal access token {self.pk} ({self.name})")

    def audit_action(self, verb: str, changes: dict[str, Any]) -> str:
        revoked = verb == "changed" and changes.get("revoked") == (False, True)
        return "personal_access_token_revoked" if revoked else super().audit_action(verb, changes)

    def is_usable(self) -> bool:
        """Neither revoked nor past its last day."""
        return not self.revoked and (self.expires_at is None or self.expires_at > timezone.now().date())
