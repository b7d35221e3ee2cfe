"""The span of a request, which goes on with the caller's trace. Only there where traces are asked for (settings/base.py)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse

from internal_api import tracing
from internal_api.logs import correlation_id, note, noted
from internal_api.middleware import endpoint_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_SERVER_ERROR = 500
_NOTED = ("caller", "actor", "project", "action", "verdict", "reason")


class TracingMiddleware:
    """Inside RequestMiddleware, which knows the request's id, and logs with the id of the trace."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        method = request.method or ""
        with tracing.span(method, "SERVER", {"http.request.method": method}, parent=request.META.get("HTTP_TRACEPARENT")) as span:
            response = self.get_response(request)
            if span is not None:
                _describe(span, request, response)
            return response


def _describe(span: "Span", request: HttpRequest, response: HttpResponse) -> None:
    endpoint = endpoint_of(request)
    span.update_name(f"{request.method} {endpoint}")
    told: dict[str, str | int] = {
        "http.route": endpoint,
        "http.response.status_code": response.status_code,
        "control_plane.request_id": correlation_id.get(),
        **{f"control_plane.{name}": str(value) for name, value in noted(request).items() if name in _NOTED and value not in ("", None)},
    }
    span.set_attributes(told)
    if response.status_code >= _SERVER_ERROR:
        span.set_attribute("error.type", str(response.status_code))
    note(request, trace_id=f"{span.get_span_context().trace_id:032x}")
