"""POST /allowed."""

from functools import partial
from typing import Any

from rest_framework.request import Request

from accounts.selectors.users import user_exists
from internal_api.errors import DomainError, NotFoundError, UnavailableError
from internal_api.http.requests import MIB
from internal_api.last_calls import last_calls
from internal_api.logs import note
from internal_api.models.last_call import CallKind
from internal_api.peers import peer_of
from internal_api.responses import JSONResponse
from internal_api.views.base import ShellViewSet
from repositories import policy
from repositories.access_check import AccessCheck
from repositories.access_granted import access_granted
from repositories.access_parameters import InvalidAccessCheckError, read_access_check
from repositories.selectors.facts import Facts
from repositories.services.authorization import authorize
from repositories.services.decisions import log_fields, record_decision, record_key_use
from repositories.services.push_to_create import ProjectCreationError
from repositories.services.rate_limits import limit_git_operations
from repositories.services.wikis import create_missing_wiki


class AllowedViewSet(ShellViewSet):
    """POST /api/v4/internal/allowed: may this actor run this Git command on this repository (contract: allowed)."""

    body_limit = 64 * MIB

    def create(self, request: Request) -> JSONResponse:
        check = read_access_check(self.parameters())
        decision = authorize(check, admit=partial(admit, check, peer_of(request.META)))
        note(request, **log_fields(decision))
        record_decision(check, decision, request_id=request.META.get("HTTP_X_REQUEST_ID") or None)
        verdict = decision.verdict
        note_call(check, granted=isinstance(verdict, policy.Allowed))
        if isinstance(verdict, policy.Denied):
            return JSONResponse({"status": False, "message": verdict.message}, status=verdict.reason.status)
        if decision.request.is_wiki and decision.request.is_push and check.changes is None:
            create_missing_wiki(decision.facts)
        return JSONResponse(access_granted(decision.facts, check.quarantine))

    def error_body(self, error: DomainError) -> dict[str, Any]:
        body = super().error_body(error)
        with_status = InvalidAccessCheckError | ProjectCreationError | UnavailableError
        return {"status": False, **body} if isinstance(error, with_status) else body


def note_call(check: AccessCheck, *, granted: bool) -> None:
    """Note who asked what: GitLab Shell before a command, or Gitaly's hook about the refs of a push."""
    if check.changes is not None:
        last_calls.note(CallKind.CHANGES_ALLOWED)
        return
    last_calls.note(CallKind.SHELL_ALLOWED)
    if granted and check.action == policy.Action.RECEIVE_PACK:
        last_calls.note(CallKind.PUSH_GRANTED)


def admit(check: AccessCheck, peer: str, facts: Facts) -> None:
    """What precedes a decision: the rate limits, and that the key was used (contract: allowed 4.2).

    Raises NotFoundError when the person behind a service account is named and does not exist (1.3), and TooManyRequestsError.
    """
    scoped = check.scoped_user_id
    if scoped is not None and facts.actor.user is not None and not user_exists(scoped):
        raise NotFoundError(f"404 User ID {scoped} not found Not Found")
    limit_git_operations(check, facts, peer=peer)
    record_key_use(facts)
