"""What can be wrong with agents and what they send, each with one sentence."""

from internal_api.errors import BadRequestError, UnprocessableError


class InvalidAgentError(UnprocessableError):
    """An agent or a token that cannot be made or changed as asked."""


class InvalidReportError(BadRequestError):
    """A finding that cannot be kept (contract: decisions 20)."""


class MalformedAgentConfigError(BadRequestError):
    """An agent's configuration that cannot be read."""
