"""Answers in SCIM's media type (contract: scim 1.3, D32)."""

from collections.abc import Mapping
from http import HTTPStatus

from django.http import HttpResponse

from internal_api.responses import JSONResponse

MEDIA_TYPE = "application/scim+json"


class SCIMResponse(JSONResponse):
    """A JSON body of SCIM's type."""

    def __init__(self, body: object, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(body, status, headers)
        self.headers["Content-Type"] = MEDIA_TYPE


class SCIMNoContent(HttpResponse):
    """204: done, with an empty body."""

    def __init__(self) -> None:
        super().__init__(status=HTTPStatus.NO_CONTENT, content_type=MEDIA_TYPE)
