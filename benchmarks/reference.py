"""The same answer from a plain Django view: Django's handler and routing, one ready-made statement, and nothing else.

It uses the service's own connection and settings, and no middleware. In one process with the service it is a steadier measure than the
floor: what the machine does to one it does to the other.
"""

import json
from typing import Any

import jwt
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import get_resolver, path
from jwt.types import Options

from benchmarks.floor import allowed_answer, allowed_question
from benchmarks.floor_statements import STATEMENTS
from internal_api.service_secrets import service_secrets
from internal_api.service_tokens import SHELL

_OPTIONS: Options = {"verify_iat": False, "verify_sub": False, "verify_jti": False}


def allowed(request: HttpRequest) -> HttpResponse:
    """POST /allowed, of a command that may run; it decides nothing."""
    token = request.META["HTTP_GITLAB_SHELL_API_REQUEST"]
    jwt.decode(token, service_secrets(SHELL)[0], algorithms=["HS256"], issuer="gitlab-shell", leeway=60, options=_OPTIONS)
    statement, params = allowed_question(json.loads(request.body))
    with connection.cursor() as cursor:
        cursor.execute(STATEMENTS[statement], params)
        content = json.dumps(allowed_answer(cursor.fetchone()), ensure_ascii=False, separators=(",", ":")).encode()
    return HttpResponse(content, content_type="application/json", headers={"Content-Length": str(len(content))})


urlpatterns = [path("api/v4/internal/allowed", allowed)]


class Reference(WSGIHandler):
    """Django without middleware, with that one route."""

    def load_middleware(self, is_async: bool = False) -> None:
        """None."""
        resolver = get_resolver("benchmarks.reference")

        def answer(request: HttpRequest) -> HttpResponse:
            match: Any = resolver.resolve(request.path_info)
            response: HttpResponse = match.func(request, *match.args, **match.kwargs)
            return response

        self._middleware_chain = convert_exception_to_response(answer)
