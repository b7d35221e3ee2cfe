"""How often Git operations may be asked for (contract: allowed 8.3, decisions 4b and 10a)."""

from internal_api.peers import is_trusted
from internal_api.rate_limits import limit
from repositories.access_check import AccessCheck
from repositories.policy import Actor
from repositories.policy.abilities import actor_can_read
from repositories.selectors.facts import Facts

NAME = "gitlab_shell_operation"


def limit_git_operations(check: AccessCheck, facts: Facts, *, peer: str) -> None:
    """Count an operation for its actor, and for its peer unless that stands for many people. Raises TooManyRequestsError."""
    threshold = facts.settings.gitlab_shell_operation_limit
    if not threshold:
        return
    project = _project(check, facts)
    limit(NAME, threshold, check.action, project, _name(facts.actor))
    if not is_trusted(peer):
        limit(NAME, threshold, check.action, project, peer)


def _project(check: AccessCheck, facts: Facts) -> str:
    """The project's id, however it is named; the path as text when the actor may not know of any project of that name."""
    project = facts.project
    if project is not None and actor_can_read(facts.actor, project):
        return f"project-{project.id}"
    return (check.what.path or "").lower().strip("/").removesuffix(".git")


def _name(actor: Actor) -> str:
    """The key's own, or else the user's; nothing for nobody."""
    if actor.key is not None:
        return f"{'deploy_key' if actor.key.kind == 'deploy' else 'key'}:{actor.key.id}"
    return f"user:{actor.user.id}" if actor.user is not None else ""
