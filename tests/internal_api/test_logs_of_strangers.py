"""What Django refuses on grounds of security is one line, whoever caused it: no traceback, and no error of ours."""

import json
import logging
from typing import Any

from django.core.exceptions import TooManyFieldsSent

from internal_api.logs import JSONFormatter, without_tracebacks_of_strangers
from settings import base


def line(logger: str) -> dict[str, object]:
    error = TooManyFieldsSent("1,001 fields")
    record = logging.LogRecord(logger, logging.ERROR, __file__, 1, str(error), None, (type(error), error, None))
    assert without_tracebacks_of_strangers(record)
    found: dict[str, object] = json.loads(JSONFormatter().format(record))
    return found


def test_a_form_of_too_many_fields_is_no_error_with_a_traceback() -> None:
    refused = line("django.security.TooManyFieldsSent")
    assert (refused["level"], refused["message"]) == ("WARNING", "1,001 fields")
    assert "exception" not in refused
    assert "exception" in line("django.request")


def test_the_service_logs_so() -> None:
    configured: dict[str, Any] = base.LOGGING
    assert configured["handlers"]["stderr"]["filters"] == ["strangers"]
    assert configured["filters"]["strangers"]["callback"] is without_tracebacks_of_strangers
