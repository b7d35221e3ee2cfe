"""GitLab Workhorse's token on requests outside `/api/v4` (contract: git-http 1.2), and which one was seen."""

import logging

from git_http.errors import NotFromWorkhorseError
from internal_api.authentication import WORKHORSE_TOKEN, WORKHORSE_VERSION, check_service_token
from internal_api.last_calls import last_calls
from internal_api.logs import HasMeta
from internal_api.models.last_call import CallKind
from internal_api.peers import is_trusted
from internal_api.service_tokens import WORKHORSE, InvalidServiceTokenError
from internal_api.shared_store import SharedStoreError, shared_store

logger = logging.getLogger(__name__)
_VERSION, _VERSION_LIFE = "git_http:workhorse_version", 365 * 24 * 3600


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


def note_git_command(address: str) -> None:
    """Note, for the doctor, that a Workhorse has asked about a Git command of a client at this IP address."""
    last_calls.note(CallKind.GIT_OVER_HTTP)
    if is_trusted(address):
        last_calls.note(CallKind.GIT_WITHOUT_ADDRESS)


def note_start(request: HasMeta) -> None:
    """Note, for the doctor, that a Workhorse has started, and its version."""
    last_calls.note(CallKind.GEO_PROXY)
    try:
        shared_store().put(_VERSION, str(request.META.get(WORKHORSE_VERSION, ""))[:64], _VERSION_LIFE)
    except SharedStoreError as error:
        logger.warning("The version of GitLab Workhorse could not be noted: %s", error)


def latest_version() -> str | None:
    """Return the version of the GitLab Workhorse that started last; None where none was seen."""
    try:
        return shared_store().get(_VERSION)
    except SharedStoreError:
        return None
