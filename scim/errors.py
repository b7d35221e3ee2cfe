"""What can go wrong in provisioning; `scim_type` is RFC 7644's keyword, `numeric` tells GitLab's own errors (contract: scim 3, D3)."""

from http import HTTPStatus
from typing import ClassVar

from internal_api.errors import BadRequestError, ConflictError, DomainError, NotFoundError


class SCIMNotFoundError(NotFoundError):
    """A resource, a group or an address that is not there."""

    numeric: ClassVar[bool] = True


class PreconditionError(DomainError):
    """412: GitLab's way of refusing what it understands."""

    status = HTTPStatus.PRECONDITION_FAILED
    message = "412 Precondition Failed"
    numeric: ClassVar[bool] = True


class UnsupportedFilterError(PreconditionError):
    """A filter that is not searched by."""

    message = "Unsupported Filter"
    scim_type = "invalidFilter"


class UniquenessError(PreconditionError):
    """What somebody else has already: 412 in GitLab's dialect, with the keyword of RFC 7644's 409 (contract: decisions 22)."""

    scim_type = "uniqueness"


class ProvisioningConflictError(ConflictError):
    """409: taken by somebody else."""

    numeric: ClassVar[bool] = True
    scim_type = "uniqueness"


class InvalidSyntaxError(BadRequestError):
    """A body that is no JSON object."""

    message = "The request body is not a JSON object."
    scim_type = "invalidSyntax"


class InvalidValueError(BadRequestError):
    """A declared parameter that is missing or unfit; the sentence travels as `error` too."""

    message = "A value is missing."
    scim_type = "invalidValue"


class NotImplementedBySCIMError(DomainError):
    """501: optional parts of SCIM that are not served."""

    status = HTTPStatus.NOT_IMPLEMENTED
    message = "This part of SCIM is not implemented."
