"""What Git over HTTP refuses before the access policy is asked, in the words of the contract."""

from http import HTTPStatus

from internal_api.errors import ForbiddenError, UnauthorizedError

CHALLENGE = 'Basic realm="GitLab"'
ACCESS_DENIED = (
    "HTTP Basic: Access denied. If a password was provided for Git authentication, the password was incorrect or you're required "
    "to use a token instead of a password. If a token was provided, it was either incorrect, expired, or improperly scoped."
)


class UnauthenticatedError(UnauthorizedError):
    """Nobody, or nobody whom we know: the same for every cause and for existing and missing projects (contract: git-http 2.4)."""

    message = ACCESS_DENIED

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": CHALLENGE})


class BannedAddressError(ForbiddenError):
    """Too many wrong credentials came from this address (contract: git-http 2.5)."""

    message = "Too many failed authentication attempts from this IP"


class NotFromWorkhorseError(ForbiddenError):
    """What only GitLab Workhorse may be told, asked without its token (contract: git-http 1.2)."""

    status = HTTPStatus.FORBIDDEN
    message = "Nil JSON web token"
    INVALID = "The JSON web token is not valid: it was signed with another secret, or its claims do not hold"
