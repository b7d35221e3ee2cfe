"""What each rule of the policy says of a Git command that nobody has run: for a command and for a page of the admin site."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

from accounts.selectors.actors import ActorKind
from internal_api.errors import UnprocessableError
from repositories import policy
from repositories.access_check import AccessCheck
from repositories.selectors.facts import ContainerReference, container_reference
from repositories.selectors.namespaces import find_group
from repositories.services.authorization import access_request, find_facts

PROTOCOLS = ("ssh", "http", "web")


class UnexplainableError(UnprocessableError):
    """Something is asked about that does not exist."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Who, in which role, where; what each rule says, in order; and the verdict. `decided_by` is empty when no rule objects.

    `is_allowed` is None when only Git knows.
    """

    actor: str
    role: str
    project: str
    rules: Sequence[tuple[str, str]]
    decided_by: str
    verdict: str
    is_allowed: bool | None


def named_repository(text: str) -> ContainerReference:
    """A path, or an id such as `project-7`."""
    is_id = text.startswith(("project-", "wiki-", "design-")) and "/" not in text
    return container_reference(text if is_id else None, None if is_id else text)


def explain(check: AccessCheck, *, assumed_forced: bool | None = None) -> Explanation:
    """Tell what /allowed would do, recording nothing, creating nothing and asking Git nothing.

    `assumed_forced` answers in Git's place; None leaves open what only Git knows. Raises UnexplainableError.
    """
    _refuse_malformed(check)
    facts = find_facts(check)
    request = access_request(check, facts)
    _refuse_unknown(check, request)
    verdict = policy.decide(request)
    while isinstance(verdict, policy.NeedsGit) and assumed_forced is not None:
        request = replace(request, answers={**request.answers, **_assumed(verdict, assumed_forced)})
        verdict = policy.decide(request)
    user, project = facts.actor.user, facts.project
    rules = [(name, said if isinstance(said, policy.Skipped) else told(said)) for name, said in policy.explain(request)]
    return Explanation(
        actor=user.username if user else "nobody",
        role=policy.Role(user.role).name.lower() if user else "none",
        project=project.full_path if project else f"{check.what.path} (does not exist)",
        rules=rules,
        decided_by=next((name for name, said in rules if said not in ("allowed", *policy.Skipped)), ""),
        verdict=told(verdict),
        is_allowed=None if isinstance(verdict, policy.NeedsGit) else not isinstance(verdict, policy.Denied),
    )


def _refuse_malformed(check: AccessCheck) -> None:
    if check.protocol not in PROTOCOLS:
        raise UnexplainableError(f"protocol must be one of {', '.join(PROTOCOLS)}, not {check.protocol!r}.")
    if check.check_ip is not None and not _is_ip_address(check.check_ip):
        raise UnexplainableError(f"check_ip must be an IP address, not {check.check_ip!r}.")
    for change in check.changes or ():
        if not change.ref.startswith("refs/"):
            raise UnexplainableError(f"A ref begins with refs/, as refs/heads/main does, not {change.ref!r}.")


def _is_ip_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _refuse_unknown(check: AccessCheck, request: policy.AccessRequest) -> None:
    actor, who = request.actor, check.who
    if who.kind == ActorKind.KEY and actor.key is None:
        raise UnexplainableError(f"There is no SSH key {who.value} for authentication.")
    if who.kind == ActorKind.USERNAME and actor.user is None:
        raise UnexplainableError(f"There is no user {who.value!r}.")
    if check.namespace_path and find_group(check.namespace_path) is None:
        raise UnexplainableError(f"There is no group {check.namespace_path!r}.")
    if request.project is None and request.destination is None:
        named = "of that id" if check.what.path is None else repr(check.what.path)
        raise UnexplainableError(f"There is no project {named}, and this command would not create it.")


def _assumed(verdict: policy.NeedsGit, forced: bool) -> dict[policy.GitQuery, bool]:
    """What Git would say of a push that brings something new, and overwrites something or not."""
    return {question: forced if isinstance(question, policy.IsForced) else True for question in verdict.queries}


def told(verdict: policy.Verdict) -> str:
    """A verdict in words."""
    match verdict:
        case policy.Denied():
            return f"denied ({verdict.reason}): {verdict.message}"
        case policy.NeedsGit():
            return f"only Git knows: {', '.join(map(str, verdict.queries))}"
        case policy.CreateProject():
            return "the project would be created"
        case policy.Allowed():
            return "allowed"
