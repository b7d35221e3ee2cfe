"""One line per request, as JSON for machines or as text for a terminal; what the views add to it, and the correlation id."""

import json
import logging
import re
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Protocol

correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")
_FIELDS = "internal_api.log_fields"
_CREDENTIALS = re.compile(r"(?:(?<=/)|^)[^/]*:[^/@]*@|gl(?:pat|agent|soat|dt|rt|ptt|cbt|oas)-[\w-]{8,}", re.ASCII)
MASK = "[masked]"
_ENCODE = json.JSONEncoder(ensure_ascii=False, default=str).encode

# What neither formatter prints is not looked up for every line (the standard library's own advice).
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


class HasMeta(Protocol):
    """Django's request, or DRF's around it."""

    @property
    def META(self) -> dict[str, Any]:  # noqa: N802  Django's name
        """The environment of the request."""


def note(request: HasMeta, **fields: object) -> None:
    """Add fields, such as the actor and the verdict, to this request's log line. Never a token, never a key."""
    request.META.setdefault(_FIELDS, {}).update(fields)


def noted(request: HasMeta) -> dict[str, object]:
    """What the views have added so far."""
    fields: dict[str, object] = request.META.get(_FIELDS, {})
    return fields


def without_tracebacks_of_strangers(record: logging.LogRecord) -> bool:
    """For handlers: what Django refuses on grounds of security is a line, and no fault of ours."""
    if record.name.startswith("django.security"):
        record.exc_info = record.exc_text = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def without_credentials(path: str) -> str:
    """Return a URL's path without `user:password@` and tokens, which people paste into the wrong place of a remote's URL."""
    if "@" not in path and "gl" not in path:
        return path
    return _CREDENTIALS.sub(MASK, path)


class JSONFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if identifier := correlation_id.get():
            line["correlation_id"] = identifier
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _ENCODE(line)


class LineFormatter(logging.Formatter):
    """One readable line, for people; control characters of strangers do not reach the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        fields = " ".join(f"{name}={value}" for name, value in getattr(record, "fields", {}).items() if value not in ("", None))
        line = f"{time} {record.levelname:7} {record.getMessage()} {fields}".rstrip()
        shown = "".join(character if character.isprintable() else repr(character)[1:-1] for character in line)
        return f"{shown}\n{self.formatException(record.exc_info)}" if record.exc_info else shown
