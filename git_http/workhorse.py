"""GitLab Workhorse's token on requests outside `/api/v4` (contract: git-http 1.2)."""

from git_http.errors import NotFromWorkhorseError
from internal_api.authentication import WORKHORSE_TOKEN, check_service_token
from internal_api.logs import HasMeta
from internal_api.service_tokens import WORKHORSE, InvalidServiceTokenError


def workhorse_problem(request: HasMeta) -> str | None:
    """Return what is wrong with the token of a request, in words that tell nothing of it; None for nothing."""
    if not request.META.get(WORKHORSE_TOKEN):
        return NotFromWorkhorseError.message
    try:
        check_service_token(request, WORKHORSE, WORKHORSE_TOKEN)
    except InvalidServiceTokenError:
        return NotFromWorkhorseError.INVALID
    return None


def require_workhorse(request: HasMeta) -> None:
    """Raise NotFromWorkhorseError unless GitLab Workhorse has sent the request."""
    problem = workhorse_problem(request)
    if problem is not None:
        raise NotFromWorkhorseError(problem)
