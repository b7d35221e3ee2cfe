"""What can be wrong with an exclusion (contract: shell-endpoints 14)."""

from internal_api.errors import BadRequestError


class InvalidExclusionError(BadRequestError):
    """An exclusion that cannot be made or removed as asked."""


class InvalidReasonError(BadRequestError):
    """A reason that is not accepted; the body has the complaint under the attribute's name."""

    message = "can't be blank"

    @property
    def complaints(self) -> dict[str, list[str]]:
        return {"reason": [self.message]}
