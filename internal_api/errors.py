"""What can go wrong in the domain, as classes with a status and a sentence.

DomainError
├── BadRequestError              400
├── UnauthorizedError            401
├── ForbiddenError               403
├── NotFoundError                404
├── MethodNotAllowedError        405
├── ConflictError                409
├── PayloadTooLargeError         413
├── UnsupportedMediaTypeError    415
├── UnprocessableError           422
├── TooManyRequestsError         429
└── UnavailableError             503

A refusal of Git access is not among them: it is a verdict of the policy, and a verdict is answered, not raised.
"""

import math
from http import HTTPStatus
from typing import ClassVar


class DomainError(Exception):
    """Something a caller is told with a status and one sentence; raised anywhere, rendered by the exception handler only.

    `detail` is for operators alone, such as an address inside the network: logs and commands tell it (`str(error)`), answers do not.
    """

    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST
    message: str = "400 Bad request"

    def __init__(self, message: str | None = None, *, detail: str = "", headers: dict[str, str] | None = None) -> None:
        if message is not None:
            self.message = message
        self.headers = headers or {}
        super().__init__(f"{self.message} ({detail})" if detail else self.message)


class BadRequestError(DomainError):
    """The request cannot be understood."""

    @classmethod
    def because(cls, reason: str) -> "BadRequestError":
        """The shape most of the shell endpoints use (contract: shell-endpoints 1.5)."""
        return cls(f"400 Bad request - {reason}")


class UnauthorizedError(DomainError):
    """The caller has not proved who it is."""

    status = HTTPStatus.UNAUTHORIZED
    message = "401 Unauthorized"


class ForbiddenError(DomainError):
    """The caller is known and may not."""

    status = HTTPStatus.FORBIDDEN
    message = "403 Forbidden"


class NotFoundError(DomainError):
    """There is no such thing, or not for this caller."""

    status = HTTPStatus.NOT_FOUND
    message = "404 Not Found"

    @classmethod
    def of(cls, resource: str) -> "NotFoundError":
        """The shape that names the kind of thing, such as `404 Key Not Found`."""
        return cls(f"404 {resource} Not Found")


class MethodNotAllowedError(DomainError):
    """The route exists, the method does not."""

    status = HTTPStatus.METHOD_NOT_ALLOWED
    message = "405 Method Not Allowed"


class ConflictError(DomainError):
    """Somebody else was first."""

    status = HTTPStatus.CONFLICT
    message = "409 Conflict"


class PayloadTooLargeError(DomainError):
    """The body is larger than is read."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    message = "413 Request Entity Too Large"


class UnsupportedMediaTypeError(DomainError):
    """The body is neither JSON nor a form."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    message = "415 Unsupported Media Type"


class UnprocessableError(DomainError):
    """The request is understood and cannot be carried out."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = "422 Unprocessable Entity"


class TooManyRequestsError(DomainError):
    """The caller has to wait for `seconds`, of which it is told at most LONGEST_WAIT."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    message = "This endpoint has been requested too many times. Try again later."
    LONGEST_WAIT: ClassVar[int] = 7
    """gitlab-sshd waits as long as it is told, twice, and says nothing meanwhile (contract: decisions 4b)."""

    def __init__(self, seconds: float = LONGEST_WAIT) -> None:
        wait = min(max(math.ceil(seconds), 1), self.LONGEST_WAIT)
        super().__init__(headers={"Retry-After": str(wait)})


class UnavailableError(DomainError):
    """A dependency is unreachable; the caller may try again after RETRY_AFTER seconds."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = "503 Service Unavailable"
    RETRY_AFTER: ClassVar[int] = 5
    """gitlab-sshd asks three times: this carries it over a restart of the database (contract: decisions 4b)."""

    def __init__(self, message: str | None = None, *, detail: str = "") -> None:
        super().__init__(message, detail=detail, headers={"Retry-After": str(self.RETRY_AFTER)})
