"""What the views of Git LFS have in common: they know their callers by themselves, and refuse in JSON."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request

from git_http.lfs_api.access import LFSAccess, identify, require_access
from git_http.lfs_api.responses import error_body, error_response
from git_http.views.base import GitViewSet
from internal_api.errors import DomainError
from internal_api.metrics import lfs_requests
from repositories.policy import Action


class LFSViewSet(GitViewSet):
    """Asked by git-lfs and by GitLab Shell's `git-lfs-transfer`, most of it without Workhorse's token."""

    response_class = staticmethod(error_response)  # type: ignore[assignment]  # of one of two classes, by the body
    metric: str = ""

    def error_body(self, error: DomainError) -> Any:
        return error_body(error)

    def access(self, request: Request, path: str, action: Action) -> LFSAccess:
        """Return who asks, if they may do this. Raises DomainError."""
        plain = plain_request(request)
        return require_access(plain, identify(plain, path), path, action)

    def finalize_response(self, request: Request, response: HttpResponse, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]  # DRF's stubs want its own class
        """Count the answer."""
        answer: HttpResponse = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[arg-type]  # likewise
        lfs_requests.labels(self.metric, str(answer.status_code)).inc()
        return answer


def plain_request(request: Request) -> HttpRequest:
    """Return the request itself: DRF's wrapper adds nothing here."""
    return request._request  # noqa: SLF001  it has no other name
