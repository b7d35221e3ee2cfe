"""POST /shellhorse/git_audit_event."""

from rest_framework.request import Request

from accounts.selectors.actors import actor_reference
from internal_api.authentication import ShellOrWorkhorseAuthentication
from internal_api.declared_parameters import DeclaredParameters
from internal_api.errors import BadRequestError, DomainError
from internal_api.responses import JSONResponse
from internal_api.service_tokens import WORKHORSE, ServiceCaller
from internal_api.views.base import ShellViewSet
from repositories.policy import Action
from repositories.selectors.facts import container_reference
from repositories.services.git_audit_events import GitOperation, record_git_operation

NOT_AUDITED = {"status": False, "message": "No git audit event needed"}
WORKHORSE_CALLER = ServiceCaller(WORKHORSE.issuer)


class UnknownGitActionError(BadRequestError):
    """A command that is not audited; its body has a `status`."""

    message = "No valid action specified"


class GitAuditEventViewSet(ShellViewSet):
    """POST /api/v4/internal/shellhorse/git_audit_event: a command has run (contract: shell-endpoints 13, decisions 13).

    A repeated call is another event: one SSH connection may fetch the same thing twice under one X-Request-Id, and an audit
    that shows too much is better than one that shows too little. But Workhorse reports each request of a pull by itself: the ones
    that ask for no object are no pull (git-http C13).
    """

    authentication_classes = [ShellOrWorkhorseAuthentication]

    def create(self, request: Request) -> JSONResponse:
        parameters = self.parameters()
        declared = DeclaredParameters.of(parameters)
        action, protocol = declared.required_text("action"), declared.required_text("protocol")
        gl_repository = declared.required_text("gl_repository")
        declared.required_text("changes")
        check_ip = declared.optional_text("check_ip")
        stats = declared.optional_object("packfile_stats")
        wants, haves = stats.optional_integer("wants"), stats.optional_integer("haves")
        written, received = declared.optional_integer("written_bytes"), declared.optional_integer("received_bytes")
        declared.check()
        if action not in {Action.UPLOAD_PACK, Action.RECEIVE_PACK}:
            raise UnknownGitActionError
        if request.auth == WORKHORSE_CALLER and action == Action.UPLOAD_PACK and not wants:
            return JSONResponse(NOT_AUDITED)
        operation = GitOperation(
            action, protocol, wants or 0, haves or 0, written, received, check_ip or "", parameters.text("namespace_path") or ""
        )
        message = record_git_operation(actor_reference(parameters), container_reference(gl_repository, None), operation)
        if message is None:
            return JSONResponse(NOT_AUDITED)
        return JSONResponse({"status": True, "message": message})

    def error_body(self, error: DomainError) -> dict[str, object]:
        body = super().error_body(error)
        return {"status": False, **body} if isinstance(error, UnknownGitActionError) else body
