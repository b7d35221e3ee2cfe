"""Finding the scope that a token opens (contract: scim 1.1, 1.2, decisions 22)."""

from dataclasses import dataclass

from django.db.models import CharField, DateTimeField, Q
from django.utils import timezone

from internal_api.acting import ActorKind, Identity
from internal_api.digests import token_digest
from internal_api.errors import UnauthorizedError
from internal_api.ready_queries import Given, ReadyQuery
from repositories.models import Namespace
from scim.errors import SCIMNotFoundError
from scim.models import SamlProvider, SCIMToken, Scope

SYSTEM = "(System)"
_DIGEST, _NOW = Given("digest", CharField()), Given("now", DateTimeField())
_TOKENS = ReadyQuery(
    lambda: SCIMToken.objects.filter(Q(token_digest=_DIGEST) | Q(previous_digest=_DIGEST, previous_expires_at__gt=_NOW)).select_related(
        "scope__group__route", "scope__group__saml_provider"
    )
)


@dataclass(frozen=True, slots=True)
class OpenScope:
    """A scope, opened by its token; `provider` is the group's, None for the instance."""

    scope: Scope
    token: SCIMToken
    provider: SamlProvider | None

    def audit_identity(self) -> Identity:
        """Return the identity provider, for the audit log; its author is the system (contract: scim 1.7)."""
        return Identity(ActorKind.SCIM, name=SYSTEM, credential=f"SCIM token {self.token.pk} of {self.scope}")

    @property
    def is_enabled(self) -> bool:
        return self.provider is None or self.provider.enabled


def find_token(clear: str) -> SCIMToken | None:
    """The token of that text, the present one or one that was rotated away lately, with its scope: one statement."""
    return _TOKENS.first(digest=token_digest(clear), now=timezone.now()) if clear else None


def open_instance(token: SCIMToken) -> OpenScope:
    """The instance, for its token. Raises UnauthorizedError for a group's."""
    if not token.scope.is_instance:
        raise UnauthorizedError
    return OpenScope(token.scope, token, None)


def open_group(token: SCIMToken, group_path: str) -> OpenScope:
    """The group of that path or id, for its own token. No other group is looked up: hidden and missing ones cannot be told apart.

    Raises UnauthorizedError for whatever is not the token's own, SCIMNotFoundError for its own group without SAML.
    """
    group = token.scope.group
    if group is None or not _is_named(group, group_path):
        raise UnauthorizedError
    provider = getattr(group, "saml_provider", None)
    if provider is None:
        raise SCIMNotFoundError(f"Group {group_path} does not have SAML SSO configured")
    return OpenScope(token.scope, token, provider)


def _is_named(group: Namespace, path: str) -> bool:
    return path.lower() == group.route.path.lower() or path == str(group.pk)
