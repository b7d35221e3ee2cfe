"""GET /api/schema and /docs (contract: decisions 21a)."""

import yaml
from django.http import HttpResponse
from django.shortcuts import render
from rest_framework.request import Request

from internal_api.permissions import Anyone
from internal_api.responses import JSONResponse
from internal_api.views.base import InternalViewSet


class SchemaViewSet(InternalViewSet):
    """The API's description in OpenAPI: YAML, or JSON with `?format=json`."""

    permission_classes = [Anyone]

    def retrieve(self, request: Request) -> HttpResponse:
        from internal_api.openapi import schema  # noqa: PLC0415  nothing of this is loaded before somebody asks

        if request.GET.get("format") == "json":
            return JSONResponse(schema())
        text = yaml.safe_dump(schema(), sort_keys=False, allow_unicode=True, width=140).encode()
        return HttpResponse(text, content_type="application/yaml", headers={"Content-Length": str(len(text))})


class ReferenceViewSet(InternalViewSet):
    """The same to be read by people: one page without scripts."""

    permission_classes = [Anyone]

    def retrieve(self, request: Request) -> HttpResponse:
        from internal_api.openapi import reference, schema  # noqa: PLC0415  likewise

        response = render(request._request, "docs/reference.html", {"info": schema()["info"], "sections": reference()})  # noqa: SLF001  Django's
        response.headers["Content-Length"] = str(len(response.content))
        response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'"
        return response
