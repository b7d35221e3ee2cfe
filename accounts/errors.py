"""What can be wrong with accounts, keys and tokens, each with one sentence."""

from internal_api.errors import UnprocessableError


class InvalidAccountError(UnprocessableError):
    """A user that cannot be made or changed as asked."""


class InvalidKeyError(UnprocessableError):
    """An SSH key that is not accepted."""


class InvalidTokenRequestError(UnprocessableError):
    """A token that cannot be made as asked."""
