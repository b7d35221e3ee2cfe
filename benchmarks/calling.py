"""Asking a WSGI application without a server, and counting what that takes."""

import cProfile
import io
import logging
import os
import pstats
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
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


def profiled(application: Application, requests: Sequence[dict[str, Any]]) -> Any:
    """What cProfile saw of these requests, as pstats has it."""
    profile = cProfile.Profile()
    profile.enable()
    for request in requests:
        ask(application, request)
    profile.disable()
    return pstats.Stats(profile)


def python_calls(application: Application, requests: Sequence[dict[str, Any]]) -> int:
    """Function calls of one of these requests in the mean, as cProfile counts them."""
    total: int = profiled(application, requests).total_calls
    return round(total / len(requests))


def log_to_nowhere() -> None:
    """Lines are written as ever, and nobody reads them."""
    handler: Any = logging.getLogger().handlers[0]
    handler.setStream(Path(os.devnull).open("w"))  # noqa: SIM115  until the process ends
