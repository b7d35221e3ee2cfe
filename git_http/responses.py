"""The two kinds of answer of Git over HTTP: text that Git prints, and what GitLab Workhorse alone may read."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from django.http import HttpResponse

from internal_api.responses import encode

WORKHORSE_MEDIA_TYPE: Final = "application/vnd.gitlab-workhorse+json"
"""With status 200 Workhorse acts upon it; of any other status it would pass the body on, Gitaly's token included (git-http C5)."""


class TextResponse(HttpResponse):
    """A short text, which Git prints line by line as `remote: ...`."""

    def __init__(self, text: str, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> None:
        content = text.encode()
        super().__init__(content, content_type="text/plain; charset=utf-8", status=status, headers=dict(headers or {}))
        self.headers["Content-Length"] = str(len(content))


class WorkhorseResponse(HttpResponse):
    """Status 200 in Workhorse's media type; made for requests that carry its token, and for no other."""

    def __init__(self, body: object) -> None:
        content = encode(body)
        super().__init__(content, content_type=WORKHORSE_MEDIA_TYPE)
        self.headers["Content-Length"] = str(len(content))
