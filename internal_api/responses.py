"""The one kind of answer that every endpoint gives: JSON with a length."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from django.http import HttpResponse

_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def encode(body: object) -> bytes:
    """A value as JSON in UTF-8. Raises ValueError for NaN and infinities, which Go cannot read."""
    return _ENCODE(body).encode()


class JSONResponse(HttpResponse):
    """A JSON body. Dates and numbers are as the clients decode them; NaN is refused, since Go cannot read it."""

    def __init__(self, body: object, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> None:
        content = encode(body)
        super().__init__(content, content_type="application/json", status=status, headers=dict(headers or {}))
        self.headers["Content-Length"] = str(len(content))  # without it Django's handler would send chunks


class EmptyResponse(HttpResponse):
    """204: done, nothing to say; neither a body nor a Content-Type (contract: kubernetes-agent 0.3)."""

    def __init__(self) -> None:
        super().__init__(status=HTTPStatus.NO_CONTENT)
        del self.headers["Content-Type"]
