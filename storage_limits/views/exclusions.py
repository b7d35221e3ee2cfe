"""GET /namespaces/storage/limit_exclusions; POST and DELETE /namespaces/:id/storage/limit_exclusion (contract: shell-endpoints 14)."""

from http import HTTPStatus
from typing import Any, cast

from rest_framework.request import Request

from accounts.authentication import PersonalTokenAuthentication
from accounts.models import User
from accounts.permissions import IsPerson
from internal_api.declared_parameters import DeclaredParameters
from internal_api.errors import DomainError, ForbiddenError
from internal_api.responses import EmptyResponse, JSONResponse
from internal_api.views.base import InternalViewSet
from storage_limits.errors import InvalidReasonError
from storage_limits.models import LimitExclusion
from storage_limits.pagination import Page, paginated
from storage_limits.selectors.exclusions import exclusions, get_namespace
from storage_limits.services.exclusions import exclude, remove_exclusion


def _answer(exclusion: LimitExclusion) -> dict[str, Any]:
    namespace = exclusion.namespace
    return {"id": exclusion.pk, "namespace_id": namespace.pk, "namespace_name": namespace.name, "reason": exclusion.reason}


class LimitExclusionViewSet(InternalViewSet):
    """Administrators' exclusions from storage limits."""

    authentication_classes = [PersonalTokenAuthentication]
    permission_classes = [IsPerson]

    def _require_administrator(self) -> None:
        """Raise ForbiddenError unless an administrator asks; after the parameters were looked at, as the contract has it."""
        if not cast("User", self.request.user).admin:
            raise ForbiddenError

    def index(self, request: Request) -> JSONResponse:
        page = Page.of(DeclaredParameters.of(self.parameters()))
        self._require_administrator()
        shown, headers = paginated(exclusions(), page, request.path)
        return JSONResponse([_answer(exclusion) for exclusion in shown], headers=headers)

    def create(self, request: Request, namespace: str) -> JSONResponse:
        declared = DeclaredParameters.of(self.parameters())
        if "reason" not in declared.values:
            declared.complain("reason", "missing")
        reason = declared.optional_text("reason")
        declared.check()
        self._require_administrator()
        exclusion = exclude(get_namespace(namespace), reason)
        return JSONResponse(_answer(exclusion), status=HTTPStatus.CREATED)

    def destroy(self, request: Request, namespace: str) -> EmptyResponse:
        self._require_administrator()
        remove_exclusion(get_namespace(namespace))
        return EmptyResponse()

    def error_body(self, error: DomainError) -> dict[str, Any]:
        return {"message": error.complaints} if isinstance(error, InvalidReasonError) else super().error_body(error)
