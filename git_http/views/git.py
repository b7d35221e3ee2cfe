"""The routes of Git below `/<repository path>.git/` (contract: git-http 2.1)."""

from http import HTTPStatus

from django.http import HttpResponse
from rest_framework.request import Request

from git_http.answers import git_access
from git_http.decisions import decide_git_command, prepare_wiki, status_of
from git_http.responses import TextResponse, WorkhorseResponse
from git_http.views.base import GitViewSet
from internal_api.errors import DomainError, NotFoundError
from internal_api.metrics import git_http_requests
from repositories.policy import Action, Denied


class GitCommandViewSet(GitViewSet):
    """The pre-authorisation of one Git command."""

    def decided(self, request: Request, path: str, action: str, *, is_first: bool) -> HttpResponse:
        """Answer one request; the first of a push to a wiki creates the wiki's repository."""
        try:
            caller, decision = decide_git_command(request._request, path, action)  # noqa: SLF001  DRF's wrapper adds nothing here
            verdict = decision.verdict
            if isinstance(verdict, Denied):
                git_http_requests.labels(_known(action), "denied").inc()
                return TextResponse(verdict.message, status=status_of(verdict.reason.status))
            if is_first:
                prepare_wiki(decision)
        except DomainError as error:
            git_http_requests.labels(_known(action), _outcome(error)).inc()
            raise
        git_http_requests.labels(_known(action), "allowed").inc()
        return WorkhorseResponse(git_access(decision.facts, address=caller.address))


def _known(action: str) -> str:
    """The command for the metrics, whatever text a client sends."""
    return action if action in set(Action) else "other"


def _outcome(error: DomainError) -> str:
    return type(error).__name__.removesuffix("Error")


class InfoRefsViewSet(GitCommandViewSet):
    """GET info/refs: the first request of every command. All that can be known is said here: only here Git prints it (C3)."""

    def retrieve(self, request: Request, path: str) -> HttpResponse:
        # Of two, Workhorse obeys the first: the decision has to be about that one (contract: git-http 10.2).
        named = [*request.query_params.getlist("service"), ""]
        return self.decided(request, path, named[0], is_first=True)

    def head(self, request: Request, path: str) -> HttpResponse:
        """403 without a body, before anything else (contract: git-http 2.1)."""
        return TextResponse("", status=HTTPStatus.FORBIDDEN)


class PackViewSet(GitCommandViewSet):
    """POST git-upload-pack and git-receive-pack: the same decision again, with the command in the path."""

    def upload(self, request: Request, path: str) -> HttpResponse:
        return self.decided(request, path, Action.UPLOAD_PACK, is_first=False)

    def receive(self, request: Request, path: str) -> HttpResponse:
        return self.decided(request, path, Action.RECEIVE_PACK, is_first=False)


class SSHPackViewSet(GitViewSet):
    """POST ssh-upload-pack and ssh-receive-pack, which only Geo has: decided like the command, then missing (git-http 2.1)."""

    def upload(self, request: Request, path: str) -> HttpResponse:
        return self.refused(request, path, Action.UPLOAD_PACK)

    def receive(self, request: Request, path: str) -> HttpResponse:
        return self.refused(request, path, Action.RECEIVE_PACK)

    def refused(self, request: Request, path: str, action: str) -> HttpResponse:
        _, decision = decide_git_command(request._request, path, action)  # noqa: SLF001  likewise
        verdict = decision.verdict
        if isinstance(verdict, Denied):
            return TextResponse(verdict.message, status=status_of(verdict.reason.status))
        return TextResponse("Not found", status=HTTPStatus.NOT_FOUND)


class UnknownViewSet(GitViewSet):
    """Whatever else is asked below `.git/`, such as the files of the dumb protocol."""

    def missing(self, request: Request, path: str, rest: str) -> HttpResponse:
        raise NotFoundError("Not found")
