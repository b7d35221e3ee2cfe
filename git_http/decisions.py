"""A Git command over HTTP, decided by the one policy that /allowed asks (contract: git-http 2.2, 2.6)."""

from http import HTTPStatus

from django.http import HttpRequest

from git_http.authentication import Caller, authenticate
from git_http.errors import NotFromWorkhorseError
from git_http.workhorse import note_git_command, workhorse_problem
from internal_api.logs import note
from internal_api.peers import peer_of
from repositories.policy import Action
from repositories.selectors.facts import ContainerReference, Facts
from repositories.services.authorization import Decision, authorize
from repositories.services.decisions import log_fields, record_decision
from repositories.services.wikis import create_missing_wiki

_STATUSES = {HTTPStatus.UNAUTHORIZED: HTTPStatus.FORBIDDEN}
"""Git asks for other credentials when it reads a 401, and hides the text."""


def repository_named(path: str) -> ContainerReference:
    """Return the repository of a URL's path before `.git`; no path has a NUL, which databases do not take."""
    return ContainerReference(path=path.replace("\x00", "\ufffd"))


def decide_git_command(request: HttpRequest, path: str, action: str) -> tuple[Caller, Decision]:
    """Decide a command; in this order: who, from Workhorse, whether. May create the project of a first push.

    Raises UnauthenticatedError, BannedAddressError, NotFromWorkhorseError, ProjectCreationError and UnavailableError.
    """
    problem = workhorse_problem(request)
    if problem is None:
        note_git_command(peer_of(request.META))
    caller = authenticate(request)
    check = caller.check(repository_named(path), action)

    def admit(facts: Facts) -> None:
        caller.admit(check, facts)
        if problem is not None:
            raise NotFromWorkhorseError(problem)

    decision = authorize(check, admit=admit)
    note(request, credential=caller.kind, **log_fields(decision))
    record_decision(check, decision)
    return caller, decision


def status_of(status: HTTPStatus) -> HTTPStatus:
    """Return the status of a refusal for Git's clients, of the status that GitLab Shell is told."""
    return _STATUSES.get(status, status)


def prepare_wiki(decision: Decision) -> None:
    """Create the wiki's repository before the first push to it (contract: decisions 16d). Raises UnavailableError."""
    if decision.request.is_wiki and decision.request.action == Action.RECEIVE_PACK:
        create_missing_wiki(decision.facts)
