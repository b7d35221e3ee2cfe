"""Asking a WSGI application without a server, and counting what that takes."""

import cProfile
import io
import pstats
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Application = Callable[..., Any]


def environ(method: str, path: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """One request as gunicorn hands it over."""
    path, _, query = path.partition("?")
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "3001",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
    }


def ask(application: Application, request: dict[str, Any]) -> bytes:
    """The answer's body. Raises RuntimeError for another status than 200."""
    statuses: list[str] = []

    def start(status: str, _headers: Any, _error: Any = None, /) -> Any:
        statuses.append(status)

    answer = application(request, start)
    body = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    if statuses != ["200 OK"]:
        raise RuntimeError(f"{request['PATH_INFO']} answered {statuses}: {body[:300]!r}")
    return body


def python_calls(application: Application, requests: Iterable[dict[str, Any]]) -> int:
    """Function calls of one of these requests in the mean, as cProfile counts them."""
    prepared = list(requests)
    profile = cProfile.Profile()
    profile.enable()
    for request in prepared:
        ask(application, request)
    profile.disable()
    stats: Any = pstats.Stats(profile)
    total: int = stats.total_calls
    return round(total / len(prepared))
