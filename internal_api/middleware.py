"""What surrounds every request: tidy paths, a correlation id, safe headers, one log line; and the admin site's own layers."""

import logging
import posixpath
import time
import uuid
from collections.abc import Callable
from functools import cached_property

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string

from internal_api.acting import end_request, start_request
from internal_api.exception_handler import bad_request
from internal_api.http.hosts import host_is_allowed
from internal_api.logs import correlation_id, note, noted, without_credentials
from internal_api.metrics import observe_request
from internal_api.pacing import hold_for_turn
from internal_api.request_costs import costs

logger = logging.getLogger("internal_api.requests")
type_of_layer = Callable[[HttpRequest], HttpResponse]
LONGEST_CORRELATION_ID = 255
FIRST_ERROR = 400


def _identifier_of(request: HttpRequest) -> str:
    """The caller's X-Request-Id, or one of ours when there is none that can be logged and sent on safely."""
    given: str = request.META.get("HTTP_X_REQUEST_ID", "")
    if given and len(given) <= LONGEST_CORRELATION_ID and given.isascii() and given.isprintable():
        return given
    return uuid.uuid4().hex


def endpoint_of(request: HttpRequest) -> str:
    """The route's name, or the route: metrics are kept by routes, of which there are few, not by addresses."""
    match = request.resolver_match
    if match is None:
        return "unknown"
    if match.app_name:
        return match.app_name
    name: str = match.url_name or match.route
    return name


ADMIN_SITE = "/admin"


def is_admin_site(path: str) -> bool:
    """Whether a path is one of the admin site's; a group may be called `administrators`, and repositories are at the root."""
    return path == ADMIN_SITE or path.startswith(f"{ADMIN_SITE}/")


def _tidy_path(path: str) -> str:
    """`//api/v4/x` and `/api/v4/x/` are `/api/v4/x`: Gitaly sends the first, kas the second, and neither follows redirects.

    Workhorse matches a path of Git without double slashes and dot segments, and sends it on as its client wrote it (git-http 10.2).
    """
    if path.startswith("//"):
        path = "/" + path.lstrip("/")
    if ".git/" in path and ("//" in path or "/." in path) and not path.startswith("/api/"):
        path = posixpath.normpath(path)
    if path.endswith("/") and not is_admin_site(path):
        return path.rstrip("/") or "/"
    return path


def _unknown_host(request: HttpRequest) -> HttpResponse:
    note(request, reason="host_not_allowed")
    return bad_request(request)


class RequestMiddleware:
    """The outermost layer."""

    def __init__(self, get_response: type_of_layer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        costs.reset()
        identifier = _identifier_of(request)
        token, acting = correlation_id.set(identifier), start_request(request)
        request.path_info = _tidy_path(request.path_info)
        try:
            response = self.get_response(request) if host_is_allowed(request) else _unknown_host(request)
            headers = response.headers
            headers["X-Request-Id"] = identifier
            headers.setdefault("X-Frame-Options", "SAMEORIGIN")
            headers.setdefault("X-Content-Type-Options", "nosniff")
            if response.status_code >= FIRST_ERROR:
                headers["X-GitLab-Custom-Error"] = "1"  # else Workhorse may put a page in place of the body (git-http 1.6)
            seconds = time.perf_counter() - started
            observe_request(endpoint_of(request), request.method or "", response.status_code, seconds, costs.statements)
            self._log(request, response, seconds)
            hold_for_turn(request, response)
            return response
        finally:
            end_request(acting)
            correlation_id.reset(token)

    @staticmethod
    def _log(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
        if not logger.isEnabledFor(logging.INFO):
            return
        fields = {
            "method": request.method,
            "path": without_credentials(request.path_info),
            "status": response.status_code,
            "duration_ms": round(seconds * 1000, 1),
            "statements": costs.statements,
            **noted(request),
        }
        if costs.gitaly_seconds:
            fields["gitaly_ms"] = round(costs.gitaly_seconds * 1000, 1)
        logger.info("request", extra={"fields": fields})


class AdminSiteMiddleware:
    """Sessions, sign-in, messages and forgery protection for the admin site, and for nothing else.

    Internal endpoints have no cookies; these layers would cost them a fifth of their time.
    """

    # No script of anybody else's, none inside a page, and no page of ours inside somebody else's.
    CONTENT_SECURITY_POLICY = (
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    )

    def __init__(self, get_response: type_of_layer) -> None:
        self.get_response = get_response

    @cached_property
    def layers(self) -> list[type_of_layer]:
        """From the outermost to the innermost; made by the first request for the admin site, which many processes never see."""
        layers = [self.get_response]
        for dotted_path in reversed(settings.ADMIN_SITE_MIDDLEWARE):
            layers.insert(0, import_string(dotted_path)(layers[0]))
        return layers[:-1]

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_admin_site(request.path_info):
            return self.get_response(request)
        response = self.layers[0](request)
        response.headers.setdefault("Content-Security-Policy", self.CONTENT_SECURITY_POLICY)
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> HttpResponse | None:
        """The one hook that Django calls by name: forgery protection looks at the view before it runs."""
        if not is_admin_site(request.path_info):
            return None
        for layer in self.layers:
            hook = getattr(layer, "process_view", None)
            if hook is not None and (response := hook(request, view, args, kwargs)) is not None:
                answer: HttpResponse = response
                return answer
        return None
