"""What can be wrong with namespaces, projects and access to them, each with one sentence."""

from internal_api.errors import UnavailableError, UnprocessableError


class InvalidNamespaceError(UnprocessableError):
    """A namespace that cannot be made or changed as asked."""


class InvalidProjectError(UnprocessableError):
    """A project that cannot be made or changed as asked."""


class InvalidAccessError(UnprocessableError):
    """A membership, an invitation or a grant that cannot be given."""


class LastOwnerError(InvalidAccessError):
    """A group would be left without an owner."""

    message = "The last owner of a group cannot be removed."


class RepositoryNotCreatedError(UnavailableError):
    """Gitaly did not make a repository. Why is the detail: it tells of addresses inside the network, which pushers are not to read."""

    message = "The repository cannot be created at the moment. Please try again later, or tell an administrator."
