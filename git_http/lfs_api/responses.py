"""Answers of Git LFS: JSON of its own media type, errors included (contract: git-http 3.1)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from django.conf import settings
from django.http import HttpResponse

from git_http.errors import BannedAddressError, NotFromWorkhorseError, UnauthenticatedError
from git_http.responses import TextResponse
from internal_api.errors import DomainError
from internal_api.responses import encode

LFS_MEDIA_TYPE: Final = "application/vnd.git-lfs+json"
_IN_TEXT = (UnauthenticatedError, BannedAddressError, NotFromWorkhorseError)
"""Refusals that are the same for Git and for Git LFS."""


class LFSResponse(HttpResponse):
    """A JSON body, or none."""

    def __init__(self, body: object = None, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> None:
        content = b"" if body is None else encode(body)
        super().__init__(content, content_type=LFS_MEDIA_TYPE, status=status, headers=dict(headers or {}))
        self.headers["Content-Length"] = str(len(content))


def error_body(error: DomainError, **more: Any) -> Any:
    """Return the body of an error: `message` is what git-lfs prints. A text for those that Git LFS shares with Git."""
    if isinstance(error, _IN_TEXT):
        return error.message
    return {**more, "message": error.message, "documentation_url": f"{settings.EXTERNAL_URL}/docs/"}


def error_response(body: Any, status: int, headers: Mapping[str, str]) -> HttpResponse:
    """Return the answer for such a body."""
    return TextResponse(body, status, headers) if isinstance(body, str) else LFSResponse(body, status, headers)
