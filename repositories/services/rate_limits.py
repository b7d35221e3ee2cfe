"""How often Git operations may be asked for (contract: allowed 8.3, decisions 10a)."""

from internal_api.peers import is_trusted
from internal_api.rate_limits import limit
from repositories.policy import Actor

NAME = "gitlab_shell_operation"


def limit_git_operations(actor: Actor, threshold: int, *, action: str, project: str, peer: str) -> None:
    """Count an operation for its actor, and for its peer unless that stands for many people. Raises TooManyRequestsError."""
    if not threshold:
        return
    limit(NAME, threshold, action, project, _name(actor))
    if not is_trusted(peer):
        limit(NAME, threshold, action, project, peer)


def _name(actor: Actor) -> str:
    """The key's own, or else the user's; nothing for nobody."""
    if actor.key is not None:
        return f"{'deploy_key' if actor.key.kind == 'deploy' else 'key'}:{actor.key.id}"
    return f"user:{actor.user.id}" if actor.user is not None else ""
