"""GET /api/schema and /docs (contract: decisions 21a)."""

import threading
from collections.abc import Callable
from functools import wraps

import yaml
from django.http import HttpResponse
from django.template.loader import render_to_string
from rest_framework.request import Request

from internal_api.errors import UnavailableError
from internal_api.permissions import Anyone
from internal_api.responses import encode
from internal_api.views.base import InternalViewSet

_rendering = threading.Lock()


def rendered_once(render: Callable[[], bytes]) -> Callable[[], bytes]:
    """Render once in a process: a second of CPU that any stranger could ask for.

    By one thread, which others do not wait for: the generator is not made for several. Raises UnavailableError meanwhile.
    """
    found: list[bytes] = []

    @wraps(render)
    def rendered() -> bytes:
        if not found:
            if not _rendering.acquire(blocking=False):
                raise UnavailableError
            try:
                found.append(render())
            finally:
                _rendering.release()
        return found[0]

    return rendered


@rendered_once
def _yaml() -> bytes:
    from internal_api.openapi import schema  # noqa: PLC0415  nothing of this is loaded before somebody asks

    return yaml.safe_dump(schema(), sort_keys=False, allow_unicode=True, width=140).encode()


@rendered_once
def _json() -> bytes:
    from internal_api.openapi import schema  # noqa: PLC0415  likewise

    return encode(schema())


@rendered_once
def _page() -> bytes:
    from internal_api.openapi import reference, schema  # noqa: PLC0415  likewise

    return render_to_string("docs/reference.html", {"info": schema()["info"], "sections": reference()}).encode()


def _response(content: bytes, content_type: str) -> HttpResponse:
    return HttpResponse(content, content_type=content_type, headers={"Content-Length": str(len(content))})


class SchemaViewSet(InternalViewSet):
    """The API's description in OpenAPI: YAML, or JSON with `?format=json`."""

    permission_classes = [Anyone]

    def retrieve(self, request: Request) -> HttpResponse:
        if request.GET.get("format") == "json":
            return _response(_json(), "application/json")
        return _response(_yaml(), "application/yaml")


class ReferenceViewSet(InternalViewSet):
    """The same to be read by people: one page without scripts."""

    permission_classes = [Anyone]

    def retrieve(self, request: Request) -> HttpResponse:
        response = _response(_page(), "text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'"
        return response
