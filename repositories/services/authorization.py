"""The one way to ask the access policy: an access check in, a decision out (contract: allowed 4).

POST /allowed, LFS, the explanations and whatever else serves Git come through here, so that they cannot differ.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from django.db import transaction

from internal_api.tracing import traced
from repositories import policy
from repositories.access_check import AccessCheck
from repositories.errors import RepositoryNotCreatedError
from repositories.gitaly.values import RepositoryRef, StorageAddress
from repositories.policy.repository_path import container_path, creatable_path, gl_repository, relative_path
from repositories.selectors.creation import find_destination
from repositories.selectors.facts import Facts, gather_for_actor, with_otp_session
from repositories.selectors.protection import protected_branch_names
from repositories.services.default_branch import SECONDS_OF_A_PUSH, settle_quietly
from repositories.services.one_shot_messages import remember_created
from repositories.services.projects import default_storage
from repositories.services.push_to_create import ProjectCreationError, create_by_push, lock_namespace
from repositories.services.timed_log import TimedLog


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, from which facts."""

    facts: Facts
    request: policy.AccessRequest
    verdict: policy.Allowed | policy.Denied


@traced("decision", describe=lambda check, **_: {"control_plane.action": check.action, "control_plane.changes": len(check.changes or ())})
def authorize(check: AccessCheck, *, admit: Callable[[Facts], None] | None = None) -> Decision:
    """Decide, asking Gitaly and creating the project of a first push where the verdict needs it.

    `admit` is called with the facts before anything is decided and may refuse the caller by raising, as rate limits do.
    Raises ProjectCreationError, and UnavailableError when Gitaly is needed and does not answer in time.
    """
    log = TimedLog(check.changes or ())
    facts = find_facts(check)
    if admit is not None:
        admit(facts)
    if _first_report_was_lost(check, facts):
        facts = find_facts(check)
    request = access_request(check, facts)
    verdict = policy.decide(request)
    if isinstance(verdict, policy.CreateProject):
        return _decide_by_creating(check, request, log)
    while isinstance(verdict, policy.NeedsGit):  # hardly ever, and hardly ever twice
        answers = ask_git(verdict.queries, check, facts, log)
        request = replace(request, answers={**request.answers, **answers})
        verdict = policy.decide(request)
    return Decision(facts, request, _final(verdict))


def _first_report_was_lost(check: AccessCheck, facts: Facts) -> bool:
    """Whether the project counts as empty although one of its branches is to be moved; Gitaly is asked then (decisions 16c)."""
    project = facts.project
    if project is None or not project.empty or facts.repository_type != policy.RepositoryType.PROJECT:
        return False
    if not any(change.branch is not None and not change.creates for change in check.changes or ()):
        return False
    settle_quietly(project.id, seconds=SECONDS_OF_A_PUSH)
    return True


def _final(verdict: policy.Verdict) -> policy.Allowed | policy.Denied:
    if isinstance(verdict, policy.Allowed | policy.Denied):
        return verdict
    raise TypeError(f"A decision ends with Allowed or Denied, not with {verdict}.")


def find_facts(check: AccessCheck) -> Facts:
    """What the check is decided from: one query, and more only for a former path, a hidden project or an OTP session."""
    return with_otp_session(gather_for_actor(check.who, check.what, check.pushed))


def access_request(check: AccessCheck, facts: Facts) -> policy.AccessRequest:
    """The check and its facts, as the policy takes them; a few queries more where a first push may create its project."""
    return policy.AccessRequest(
        action=check.action,
        protocol=check.protocol,
        actor=facts.actor,
        instance=facts.instance,
        project=facts.project,
        repository_type=facts.repository_type,
        changes=check.changes,
        check_ip=check.check_ip,
        namespace_path=check.namespace_path,
        path=check.what.path,
        destination=None if facts.project else _destination(check, facts),
        protection=facts.protection,
        credential=check.credential,
        is_lfs=check.is_lfs,
    )


def _destination(check: AccessCheck, facts: Facts) -> policy.Destination | None:
    """Where the missing project could be created, for the check by which a user begins to push."""
    user = facts.actor.account
    is_first_check = check.action == policy.Action.RECEIVE_PACK and check.changes is None and check.credential.push and not check.is_lfs
    if user is None or check.what.path is None or not is_first_check:
        return None
    parts = creatable_path(check.what.path)
    return find_destination(user, parts[0]) if parts else None


def _decide_by_creating(check: AccessCheck, request: policy.AccessRequest, log: TimedLog) -> Decision:
    """Create the missing project and decide about it, or about the one that another push has created meanwhile.

    Raises ProjectCreationError, and UnavailableError without Gitaly.
    """
    try:
        return _create_project(check, request, log)
    except ProjectCreationError:
        facts = find_facts(check)
        if facts.project is None:
            raise
        # Created at the same moment by something that does not lock the namespace, such as a command.
        request = access_request(check, facts)
        return Decision(facts, request, _final(policy.decide(request)))


def _create_project(check: AccessCheck, request: policy.AccessRequest, log: TimedLog) -> Decision:
    """Hold a place at Gitaly first: those who wait for the namespace's lock, whose holder waits for Gitaly, wait for it too."""
    from repositories.gitaly.admission import place  # noqa: PLC0415  loads gRPC
    from repositories.gitaly.errors import GitalyUnavailableError  # noqa: PLC0415  likewise

    try:
        with place(default_storage().gitaly_address, log.seconds_left()):
            return _create_under_lock(check, request, log)
    except GitalyUnavailableError as error:
        raise RepositoryNotCreatedError(detail=str(error)) from error


def _create_under_lock(check: AccessCheck, request: policy.AccessRequest, log: TimedLog) -> Decision:
    """All is decided, again and under the namespace's lock, before Gitaly is asked: a refusal leaves neither row nor repository."""
    from repositories.services.repositories_at_gitaly import create_repository  # noqa: PLC0415  loads gRPC

    destination, user = request.creates_in, request.actor.account
    if destination is None or user is None or check.what.path is None:
        raise LookupError(f"A project is created without a namespace, a user or a path: {check}.")
    with transaction.atomic():
        namespace = lock_namespace(destination.namespace_id)
        facts = find_facts(check)
        request = access_request(check, facts)
        verdict = policy.decide(request)
        if not isinstance(verdict, policy.CreateProject):  # another push was quicker, or the last room is taken
            return Decision(facts, request, _final(verdict))
        project = create_by_push(namespace, check.what.path.rpartition("/")[2], creator_id=user.id)
        facts = find_facts(check)
        request = access_request(check, facts)
        decision = Decision(facts, request, _final(policy.decide(request)))
        if isinstance(decision.verdict, policy.Denied):
            transaction.set_rollback(True)
            return decision
        create_repository(project, seconds=log.question_seconds())
    remember_created(facts, check.protocol)
    return decision


def ask_git(queries: Iterable[policy.GitQuery], check: AccessCheck, facts: Facts, log: TimedLog) -> dict[policy.GitQuery, bool]:
    """Put the policy's queries to the repository's Gitaly. Raises UnavailableError."""
    from repositories.services.git_queries import answer  # noqa: PLC0415  gRPC is loaded by the first push that needs it

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
    wanted = list(queries)
    names = (
        protected_branch_names(project.id, project.root_id)
        if any(isinstance(question, policy.HasNewCommits) for question in wanted)
        else []
    )
    return answer(
        wanted,
        project_id=project.id,
        storage=StorageAddress(storage.name, storage.address, storage.token),
        repository=repository,
        snapshot_path=check.relative_path,
        protected=names,
        log=log,
    )
