"""What can be wrong with namespaces, projects and access to them, each with one sentence."""

from internal_api.errors import UnprocessableError


class InvalidNamespaceError(UnprocessableError):
    """A namespace that cannot be made or changed as asked."""


class InvalidProjectError(UnprocessableError):
    """A project that cannot be made or changed as asked."""


class InvalidAccessError(UnprocessableError):
    """A membership, an invitation or a grant that cannot be given."""


class LastOwnerError(InvalidAccessError):
    """A group would be left without an owner."""

    message = "The last owner of a group cannot be removed."
