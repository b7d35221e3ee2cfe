"""The one place where an exception becomes an answer."""

import logging
import sqlite3
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, TooManyFieldsSent
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.http import Http404, HttpRequest
from rest_framework.exceptions import APIException, MethodNotAllowed, NotFound
from rest_framework.views import APIView

from internal_api.errors import (
    BadRequestError,
    DomainError,
    ForbiddenError,
    MethodNotAllowedError,
    NotFoundError,
    PayloadTooLargeError,
    UnavailableError,
)
from internal_api.responses import JSONResponse

logger = logging.getLogger(__name__)
READ_ONLY = "25006"
"""SQLSTATE of a write in a transaction that may only read."""


def exception_handler(exception: Exception, context: dict[str, Any]) -> JSONResponse | None:
    """The answer in the dialect of the view, or None for a fault of ours, which is logged and answered 500."""
    error = domain_error(exception)
    if error is None:
        return None
    if isinstance(error, UnavailableError):
        logger.error("Answered 503: %s", exception)
    view: APIView = context["view"]
    body = view.error_body(error) if hasattr(view, "error_body") else {"message": error.message}
    response_class = getattr(view, "response_class", JSONResponse)
    response: JSONResponse = response_class(body, status=error.status, headers=error.headers)
    return response


def domain_error(exception: Exception) -> DomainError | None:
    """What an exception of ours, of DRF's, of Django's or of the database means to a caller; None for a fault."""
    match exception:
        case DomainError():
            return exception
        case MethodNotAllowed():
            return MethodNotAllowedError()
        case Http404() | NotFound():
            return NotFoundError()
        case PermissionDenied():
            return ForbiddenError()
        case RequestDataTooBig():
            return PayloadTooLargeError()
        case DatabaseError() | InterfaceError():
            return _database_error(exception)
        case APIException():
            return _drf_error(exception)
        case _:
            return None


def _database_error(exception: DatabaseError | InterfaceError) -> DomainError | None:
    """503 where the database is away, hangs, or can only be read; a statement that it refuses is a fault of ours."""
    if isinstance(exception, DatabaseError) and is_read_only(exception):
        _look_for_the_primary()
        return UnavailableError("The database can only be read at the moment. Try again later.")
    if isinstance(exception, OperationalError | InterfaceError):
        return UnavailableError("The database is not available. Try again in a moment.")
    return None


def _look_for_the_primary() -> None:
    """Where DATABASE_URL names several hosts, the next request connects anew, to whichever can be written by then."""
    wrapper: Any = connection
    if "target_session_attrs" in wrapper.settings_dict.get("OPTIONS", {}) and not wrapper.in_atomic_block:
        if wrapper.connection is not None:
            wrapper.connection.close()  # so that a pool does not hand it out again
        wrapper.close()


def is_read_only(error: DatabaseError) -> bool:
    """Whether an error says that the database can only be read, such as a standby that was not promoted (contract: decisions 24a)."""
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY
    return getattr(cause, "sqlstate", None) == READ_ONLY


def _drf_error(exception: APIException) -> DomainError:
    """DRF's own refusals, such as a permission's, with DRF's status and our shape of body."""
    error = ForbiddenError() if exception.status_code == ForbiddenError.status else BadRequestError()
    error.status = type(error).status.__class__(exception.status_code)  # type: ignore[misc]  # one answer, not the class
    return error


def unknown_address(request: HttpRequest, exception: Exception | None = None) -> JSONResponse:
    """404 for an address that no route has (contract: decisions 2)."""
    return JSONResponse({"error": "404 Not Found", "message": "404 Not Found"}, status=404)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> JSONResponse:
    """400 for what Django refuses before a view is reached, such as a Host header it does not know."""
    if isinstance(exception, RequestDataTooBig | TooManyFieldsSent):
        return JSONResponse({"message": PayloadTooLargeError.message}, status=PayloadTooLargeError.status)
    return JSONResponse({"message": "400 Bad request"}, status=400)


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> JSONResponse:
    """403 outside the API."""
    return JSONResponse({"message": ForbiddenError.message}, status=403)


def server_error(request: HttpRequest) -> JSONResponse:
    """500: a fault of ours; the log has the rest."""
    return JSONResponse({"message": "500 Internal Server Error"}, status=500)
