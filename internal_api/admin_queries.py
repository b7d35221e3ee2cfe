"""Query strings of the admin site: what cannot be read is told as Django tells it, never a fault.

Django's lists accept any lookup on a model's own columns, and give the database what it has no values for: years beyond 9999, NUL,
times that overflow in another zone.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import FieldError, ValidationError
from django.db import DataError, NotSupportedError, ProgrammingError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import SimpleTemplateResponse

from internal_api.exception_handler import bad_request
from internal_api.logs import note

_SAFE_METHODS = frozenset({"GET", "HEAD"})
_PATTERNS = ("regex", "iregex")
"""Lookups that are refused: a pattern can keep the database busy for as long as it likes, or be none."""
UNREADABLE = (
    ArithmeticError,  # OverflowError too
    DataError,
    FieldError,
    IncorrectLookupParameters,
    LookupError,
    NotSupportedError,
    ProgrammingError,
    TypeError,
    ValidationError,
    ValueError,
)
"""What a query string raises in Django and in the drivers."""
View = Callable[..., HttpResponse]


def telling_unreadable_queries(view: View) -> View:
    """The view, whose answer to a query string that cannot be read is Django's list without it, or 400 elsewhere."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method not in _SAFE_METHODS or not request.GET or ERROR_FLAG in request.GET:
            return view(request, *args, **kwargs)
        if any(name.rpartition("__")[2] in _PATTERNS for name in request.GET):
            return _refused(request)
        try:
            response = view(request, *args, **kwargs)
            # Rows are read while the page is made.
            return response.render() if isinstance(response, SimpleTemplateResponse) else response
        except UNREADABLE:
            return _refused(request)

    return guarded


def _refused(request: HttpRequest) -> HttpResponse:
    note(request, reason="query_unreadable")
    match = request.resolver_match
    if match is not None and (match.url_name or "").endswith("_changelist"):
        return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")
    return bad_request(request)
