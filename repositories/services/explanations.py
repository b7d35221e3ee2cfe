"""What each rule of the policy says of a Git command that nobody has run: for a command and for a page of the admin site."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from repositories import policy
from repositories.access_check import AccessCheck
from repositories.selectors.facts import ContainerReference, container_reference
from repositories.services.authorization import access_request, find_facts


@dataclass(frozen=True, slots=True)
class Explanation:
    """Who, in which role, where; what each rule says, in order; and the verdict."""

    actor: str
    role: str
    project: str
    rules: Sequence[tuple[str, str]]
    verdict: str
    is_allowed: bool


def named_repository(text: str) -> ContainerReference:
    """A path, or an id such as `project-7`."""
    is_id = text.startswith(("project-", "wiki-", "design-")) and "/" not in text
    return container_reference(text if is_id else None, None if is_id else text)


def explain(check: AccessCheck, *, assumed_forced: bool | None = None) -> Explanation:
    """Decide as /allowed would, recording nothing, making nothing and asking Git nothing.

    `assumed_forced` answers in Git's place; None leaves open what only Git knows.
    """
    facts = find_facts(check)
    question = access_request(check, facts)
    verdict = policy.decide(question)
    while isinstance(verdict, policy.NeedsGit) and assumed_forced is not None:
        question = replace(question, answers={**question.answers, **_assumed(verdict, assumed_forced)})
        verdict = policy.decide(question)
    user = facts.actor.user
    return Explanation(
        actor=user.username if user else "nobody",
        role=policy.Role(user.role).name.lower() if user else "none",
        project=facts.project.full_path if facts.project else "not found",
        rules=[(name, told(said)) for name, said in policy.explain(question)],
        verdict=told(verdict),
        is_allowed=isinstance(verdict, policy.Allowed),
    )


def _assumed(verdict: policy.NeedsGit, forced: bool) -> dict[policy.Question, bool]:
    """What Git would say of a push that brings something new, and overwrites something or not."""
    return {question: forced if isinstance(question, policy.IsForced) else True for question in verdict.questions}


def told(verdict: policy.Verdict) -> str:
    """A verdict in words."""
    match verdict:
        case policy.Denied():
            return f"denied ({verdict.reason}): {verdict.message}"
        case policy.NeedsGit():
            return f"only Git knows: {', '.join(map(str, verdict.questions))}"
        case policy.CreateProject():
            return "the project would be created"
        case policy.Allowed():
            return "allowed"
