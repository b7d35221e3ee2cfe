"""What is wrong with a token that a person gave out, as OAuth says it (contract: shell-endpoints 14.1, kubernetes-agent 2.4)."""

from http import HTTPStatus
from typing import Any

from internal_api.errors import DomainError

_REALM = "Protected by OAuth 2.0"


class OAuthError(DomainError):
    """A token that is known and does not do; the body has `error` and `error_description`."""

    code = "invalid_token"

    def body(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"error": self.code, "error_description": self.message}


class InvalidTokenError(OAuthError):
    """Expired or revoked."""

    status = HTTPStatus.UNAUTHORIZED

    def __init__(self, message: str = "The token is not valid.") -> None:
        super().__init__(message, headers={"WWW-Authenticate": f'Bearer realm="{_REALM}", error="{self.code}"'})


class InsufficientScopeError(OAuthError):
    """Not made for this."""

    status = HTTPStatus.FORBIDDEN
    code = "insufficient_scope"

    def __init__(self, scope: str = "api") -> None:
        super().__init__("The request requires higher privileges than provided by the access token.")
        self.scope = scope

    def body(self) -> dict[str, Any]:
        return {**super().body(), "scope": self.scope}
