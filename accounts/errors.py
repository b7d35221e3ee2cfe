"""What can be wrong with accounts, keys and tokens, each with one sentence."""

from http import HTTPStatus

from internal_api.errors import DomainError, UnprocessableError


class InvalidAccountError(UnprocessableError):
    """A user that cannot be made or changed as asked."""


class InvalidKeyError(UnprocessableError):
    """An SSH key that is not accepted."""


class InvalidTokenRequestError(UnprocessableError):
    """A token that cannot be made as asked."""


class CommandRefusedError(DomainError):
    """Why a command over SSH is refused; GitLab Shell reads it from an answer with status 200 (contract: shell-endpoints 7 to 10)."""

    status = HTTPStatus.OK
