"""POST /allowed."""

from collections.abc import Iterable
from typing import Any, assert_never

from rest_framework.request import Request as HTTPRequest

from accounts.selectors.users import user_exists
from internal_api.errors import DomainError, NotFoundError, UnavailableError
from internal_api.logs import note
from internal_api.peers import peer_of
from internal_api.responses import JSONResponse
from internal_api.views.base import ShellViewSet
from repositories import policy
from repositories.access_check import AccessCheck, InvalidAccessCheckError, read_access_check
from repositories.access_granted import access_granted
from repositories.gitaly.values import RepositoryRef, StorageAddress
from repositories.models import Namespace
from repositories.policy.repository_path import container_path, gl_repository, relative_path, split_path
from repositories.selectors.creation import find_creatable_namespace
from repositories.selectors.facts import ContainerReference, Facts, gather, with_otp_session
from repositories.selectors.protection import protected_branch_names
from repositories.services.decisions import count_decision, decide, record_key_use, record_pull, record_refusal
from repositories.services.one_shot_messages import remember_created, remember_moved
from repositories.services.push_to_create import ProjectCreationError, create_by_push
from repositories.services.rate_limits import limit_git_operations
from repositories.services.timed_log import TimedLog


class AllowedViewSet(ShellViewSet):
    """POST /api/v4/internal/allowed: may this actor run this Git command on this repository (contract: allowed)."""

    def create(self, request: HTTPRequest) -> JSONResponse:
        check = read_access_check(self.parameters())
        log = TimedLog(check.changes or ())
        facts = with_otp_session(gather(check.who, check.what, check.pushed))
        refuse_unknown_scoped_user(check, facts)
        limit_git_operations(
            facts.actor,
            facts.settings.gitlab_shell_operation_limit,
            action=check.action,
            project=check.project_parameter,
            peer=peer_of(request.META),
        )
        record_key_use(facts)
        question, verdict = self._decided(check, facts, log)
        if isinstance(verdict, policy.CreateProject):
            facts = self._created(check, facts, log)
            question, verdict = self._decided(check, facts, log)
        note(request, **log_fields(question, verdict))
        count_decision(question, verdict)
        match verdict:
            case policy.Allowed():
                if not question.is_push:
                    record_pull(facts)
                remember_moved(facts, check.protocol)
                return JSONResponse(access_granted(facts, check.quarantine))
            case policy.Denied():
                record_refusal(facts, question, verdict)
                return JSONResponse({"status": False, "message": verdict.message}, status=verdict.reason.status)
            case policy.CreateProject() | policy.NeedsGit():
                raise RuntimeError("A decision that was made is not open.")
            case _:
                assert_never(verdict)

    @staticmethod
    def _decided(check: AccessCheck, facts: Facts, log: TimedLog) -> tuple[policy.Request, policy.Verdict]:
        question = question_of(check, facts)
        return decide(question, lambda questions: ask_git(questions, check, facts, log))

    @staticmethod
    def _created(check: AccessCheck, facts: Facts, log: TimedLog) -> Facts:
        """The facts after the push has made its project."""
        namespace, path = creatable_place(check, facts)
        user = facts.actor.account
        if namespace is None or user is None:
            raise RuntimeError("The policy creates where somebody may.")
        project = create_by_push(namespace, path, creator_id=user.id, log=log)
        found = gather(check.who, ContainerReference(project_id=project.pk))
        remember_created(found, check.protocol)
        return found

    def error_body(self, error: DomainError) -> dict[str, Any]:
        body = super().error_body(error)
        with_status = InvalidAccessCheckError | ProjectCreationError | UnavailableError
        return {"status": False, **body} if isinstance(error, with_status) else body


def creatable_place(check: AccessCheck, facts: Facts) -> tuple[Namespace | None, str]:
    """Where the missing project would be made, if the actor may; only a push by somebody, of nothing yet, creates anything."""
    user = facts.actor.account
    parts = split_path(check.what.path) if check.what.path else None
    is_candidate = facts.project is None and check.action == policy.Action.RECEIVE_PACK and check.changes is None
    if user is None or parts is None or not is_candidate:
        return None, ""
    return find_creatable_namespace(user, parts[0]), parts[1]


def ask_git(questions: Iterable[policy.Question], check: AccessCheck, facts: Facts, log: TimedLog) -> dict[policy.Question, bool]:
    """Put the policy's questions to the repository's Gitaly. Raises UnavailableError."""
    from repositories.services.git_questions import answer  # noqa: PLC0415  gRPC is loaded by the first push that needs it

    project, storage = facts.project, facts.storage
    if project is None or storage is None:
        raise LookupError("Only a repository that exists is asked about.")
    repository = RepositoryRef(
        storage.name,
        relative_path(project.id, facts.repository_type, storage.relative_path),
        gl_repository(facts.repository_type, project.id),
        container_path(project.full_path, facts.repository_type),
        check.quarantine.object_directory,
        check.quarantine.alternate_object_directories,
    )
    wanted = list(questions)
    names = (
        protected_branch_names(project.id, project.root_id)
        if any(isinstance(question, policy.HasNewCommits) for question in wanted)
        else []
    )
    return answer(
        wanted,
        storage=StorageAddress(storage.name, storage.address, storage.token),
        repository=repository,
        snapshot_path=check.relative_path,
        protected=names,
        log=log,
    )


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
        may_create_project=creatable_place(check, facts)[0] is not None,
        protection=facts.protection,
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
