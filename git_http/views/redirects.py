"""`info/refs` without `.git` before it (contract: git-http 2.10)."""

from http import HTTPStatus
from urllib.parse import quote

from django.http import HttpResponse
from rest_framework.request import Request

from git_http.responses import TextResponse
from git_http.views.base import GitViewSet
from internal_api.errors import NotFoundError
from repositories.policy.repository_path import split_path

_QUERIES = frozenset({"", "service=git-upload-pack", "service=git-receive-pack"})
_WIKI = ".wiki"


class RedirectViewSet(GitViewSet):
    """Sends Git to the address with `.git`, which it keeps; nothing is looked up, so nothing is told of what exists."""

    def retrieve(self, request: Request, path: str) -> HttpResponse:
        query = request.META.get("QUERY_STRING", "")
        if query not in _QUERIES or not _may_be_a_repository(path):
            raise NotFoundError("Not found")
        location = f"/{quote(path)}.git/info/refs" + (f"?{query}" if query else "")
        return TextResponse("", status=HTTPStatus.MOVED_PERMANENTLY, headers={"Location": location})

    def missing(self, request: Request, path: str) -> HttpResponse:
        raise NotFoundError("Not found")


def _may_be_a_repository(path: str) -> bool:
    """Whether a path may be a project's, or that of a wiki, by its form alone."""
    return split_path(path) is not None or split_path(path.removesuffix(_WIKI)) is not None
