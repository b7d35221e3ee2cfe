"""POST /allowed."""

from typing import Any, NotRequired, TypedDict, assert_never

from rest_framework.request import Request as HTTPRequest

from accounts.selectors.users import user_exists
from internal_api.errors import DomainError, NotFoundError
from internal_api.logs import note
from internal_api.responses import JSONResponse
from internal_api.views.base import ShellViewSet
from repositories import policy
from repositories.access_check import AccessCheck, InvalidAccessCheckError, Quarantine, read_access_check
from repositories.feature_flags import gitaly_features
from repositories.policy.messages import KEY_EXPIRES_SOON
from repositories.policy.repository_path import container_path, gl_repository, relative_path
from repositories.selectors.facts import Facts, gather, with_otp_session
from repositories.services.decisions import record_key_use, record_pull, record_refusal


class GitalyRepository(TypedDict):
    """The repository as Gitaly is told of it; snake_case, or GitLab Shell ignores it silently."""

    storage_name: str
    relative_path: str
    git_object_directory: str
    git_alternate_object_directories: list[str]
    gl_repository: str
    gl_project_path: str


class Gitaly(TypedDict):
    """Which Gitaly to talk to."""

    repository: GitalyRepository
    address: str
    token: str | None
    features: dict[str, str]


class AccessGranted(TypedDict):
    """The answer to a command that may run (contract: allowed 6)."""

    status: bool
    gl_repository: str
    gl_project_path: str
    gl_project_id: int
    gl_root_namespace_id: int
    gl_id: str
    gl_username: NotRequired[str]
    gl_key_type: NotRequired[str]
    gl_key_id: NotRequired[int]
    git_config_options: list[str]
    gitaly: Gitaly
    gl_console_messages: list[str]
    need_audit: bool


class AllowedViewSet(ShellViewSet):
    """POST /api/v4/internal/allowed: may this actor run this Git command on this repository (contract: allowed)."""

    def create(self, request: HTTPRequest) -> JSONResponse:
        check = read_access_check(self.parameters())
        facts = with_otp_session(gather(check.who, check.what))
        refuse_unknown_scoped_user(check, facts)
        question = question_of(check, facts)
        record_key_use(facts)
        verdict = policy.decide(question)
        note(request, **log_fields(question, verdict))
        match verdict:
            case policy.Allowed():
                if not question.is_push:
                    record_pull(facts)
                return JSONResponse(access_granted(facts, check.quarantine))
            case policy.Denied():
                record_refusal(facts, question, verdict)
                return JSONResponse({"status": False, "message": verdict.message}, status=verdict.reason.status)
            case policy.CreateProject() | policy.NeedsGit():
                raise NotImplementedError
            case _:
                assert_never(verdict)

    def error_body(self, error: DomainError) -> dict[str, Any]:
        body = super().error_body(error)
        return {"status": False, **body} if isinstance(error, InvalidAccessCheckError) else body


def refuse_unknown_scoped_user(check: AccessCheck, facts: Facts) -> None:
    """Raise NotFoundError when the human behind a service account is named and does not exist (contract: allowed 1.3)."""
    scoped = check.scoped_user_id
    if scoped is not None and facts.actor.user is not None and not user_exists(scoped):
        raise NotFoundError(f"404 User ID {scoped} not found Not Found")


def question_of(check: AccessCheck, facts: Facts) -> policy.Request:
    """The question and the facts, as the policy takes them."""
    return policy.Request(
        action=check.action,
        protocol=check.protocol,
        actor=facts.actor,
        instance=facts.instance,
        project=facts.project,
        repository_type=facts.repository_type,
        changes=check.changes,
        check_ip=check.check_ip,
        namespace_path=check.namespace_path,
        has_namespace=facts.has_namespace,
    )


def log_fields(question: policy.Request, verdict: policy.Verdict) -> dict[str, object]:
    """What the request's log line tells of a decision."""
    user, key, project = question.actor.user, question.actor.key, question.project
    return {
        "actor": f"user-{user.id}" if user else None,
        "key_id": key.id if key else None,
        "project": project.full_path if project else None,
        "action": question.action,
        "verdict": type(verdict).__name__.lower(),
        "reason": verdict.reason.value if isinstance(verdict, policy.Denied) else None,
    }


def access_granted(facts: Facts, quarantine: Quarantine) -> AccessGranted:
    """The answer, without the keys that would be null."""
    project, storage = facts.project, facts.storage
    if project is None or storage is None:
        raise LookupError("Only what exists is allowed.")
    user, key = facts.actor.user, facts.actor.key
    repository = gl_repository(facts.repository_type, project.id)
    path = container_path(project.full_path, facts.repository_type)
    answer: AccessGranted = {
        "status": True,
        "gl_repository": repository,
        "gl_project_path": path,
        "gl_project_id": project.id,
        "gl_root_namespace_id": project.root_id,
        "gl_id": f"user-{user.id}" if user else "",
        "git_config_options": _git_config_options(facts.settings.receive_max_input_size),
        "gitaly": {
            "repository": {
                "storage_name": storage.name,
                "relative_path": relative_path(project.id, facts.repository_type, storage.relative_path),
                "git_object_directory": quarantine.object_directory,
                "git_alternate_object_directories": list(quarantine.alternate_object_directories),
                "gl_repository": repository,
                "gl_project_path": path,
            },
            "address": storage.address,
            "token": storage.token,
            "features": gitaly_features(
                facts.settings.feature_flags, project_path=project.full_path, username=user.username if user else None
            ),
        },
        "gl_console_messages": [KEY_EXPIRES_SOON] if key and key.expires_soon else [],
        "need_audit": facts.settings.log_git_audit_events and user is not None,
    }
    if user:
        answer["gl_username"] = user.username
    if key:
        answer["gl_key_type"] = key.kind
        answer["gl_key_id"] = key.id
    return answer


def _git_config_options(receive_max_input_size: int) -> list[str]:
    options = ["uploadpack.allowFilter=true", "uploadpack.allowAnySHA1InWant=true"]
    return [*options, f"receive.maxInputSize={receive_max_input_size * 1024 * 1024}"] if receive_max_input_size else options
