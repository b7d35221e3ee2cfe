"""The one way to ask the access policy: an access check in, a decision out (contract: allowed 4).

POST /allowed, LFS, the explanations and whatever else serves Git come through here, so that they cannot differ.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from repositories import policy
from repositories.access_check import AccessCheck
from repositories.gitaly.values import RepositoryRef, StorageAddress
from repositories.models import Namespace
from repositories.policy.repository_path import container_path, gl_repository, relative_path, split_path
from repositories.selectors.creation import find_creatable_namespace
from repositories.selectors.facts import ContainerReference, Facts, gather, with_otp_session
from repositories.selectors.protection import protected_branch_names
from repositories.services.one_shot_messages import remember_created
from repositories.services.push_to_create import create_by_push
from repositories.services.timed_log import TimedLog


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, from which facts."""

    facts: Facts
    request: policy.Request
    verdict: policy.Allowed | policy.Denied


def authorize(check: AccessCheck, *, admit: Callable[[Facts], None] | None = None) -> Decision:
    """Decide, asking Gitaly and creating the project of a first push where the verdict needs it.

    `admit` is called with the facts before anything is decided and may refuse the caller by raising, as rate limits do.
    Raises ProjectCreationError, and UnavailableError when Gitaly is needed and does not answer in time.
    """
    log = TimedLog(check.changes or ())
    facts = find_facts(check)
    if admit is not None:
        admit(facts)
    request = access_request(check, facts)
    verdict = policy.decide(request)
    if isinstance(verdict, policy.CreateProject):
        facts = _created(check, facts, log)
        request = access_request(check, facts)
        verdict = policy.decide(request)
    while isinstance(verdict, policy.NeedsGit):  # hardly ever, and hardly ever twice
        answers = ask_git(verdict.questions, check, facts, log)
        request = replace(request, answers={**request.answers, **answers})
        verdict = policy.decide(request)
    if isinstance(verdict, policy.CreateProject):
        raise TypeError(f"The project {facts.project} was created and is to be created again.")
    return Decision(facts, request, verdict)


def find_facts(check: AccessCheck) -> Facts:
    """What the check is decided from: one query, and more only for a former path or an OTP session."""
    return with_otp_session(gather(check.who, check.what, check.pushed))


def access_request(check: AccessCheck, facts: Facts) -> policy.Request:
    """The check and its facts, as the policy takes them."""
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
        may_create_project=_creatable(check, facts)[0] is not None,
        protection=facts.protection,
    )


def _creatable(check: AccessCheck, facts: Facts) -> tuple[Namespace | None, str]:
    """The namespace and path in which the missing project would be created, if the actor may."""
    user = facts.actor.account
    parts = split_path(check.what.path) if check.what.path else None
    is_candidate = facts.project is None and check.action == policy.Action.RECEIVE_PACK and check.changes is None
    if user is None or parts is None or not is_candidate:
        return None, ""
    return find_creatable_namespace(user, parts[0]), parts[1]


def _created(check: AccessCheck, facts: Facts, log: TimedLog) -> Facts:
    """The facts after the push has created its project."""
    namespace, path = _creatable(check, facts)
    user = facts.actor.account
    if namespace is None or user is None:
        raise LookupError("The policy creates a project without a user or a namespace.")
    project = create_by_push(namespace, path, creator_id=user.id, log=log)
    found = gather(check.who, ContainerReference(project_id=project.pk))
    remember_created(found, check.protocol)
    return found


def ask_git(questions: Iterable[policy.Question], check: AccessCheck, facts: Facts, log: TimedLog) -> dict[policy.Question, bool]:
    """Put the policy's questions to the repository's Gitaly. Raises UnavailableError."""
    from repositories.services.git_questions import answer  # noqa: PLC0415  gRPC is loaded by the first push that needs it

    project, storage = facts.project, facts.storage
    if project is None or storage is None:
        raise LookupError("Git is asked about a repository that does not exist.")
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
