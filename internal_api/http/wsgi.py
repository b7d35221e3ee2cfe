"""The WSGI handler: Django's, with our request, and a JSON answer for what escapes Django."""

import json
import logging
from collections.abc import Iterable
from typing import Any, NoReturn

import django
from django.core.handlers.wsgi import WSGIHandler

from internal_api.http.requests import ServiceRequest

logger = logging.getLogger(__name__)


class ServiceHandler(WSGIHandler):
    """Answers every request that reaches it in JSON, whatever its headers (contract: decisions 4)."""

    request_class = ServiceRequest

    def __call__(  # type: ignore[override]  # the stubs name Django's response, WSGI an iterable
        self, environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        try:
            return super().__call__(environ, start_response)
        except Exception:  # what Django cannot turn into an answer: its own request class raised
            logger.exception("A request could not be read: %s", environ.get("PATH_INFO", ""))
            body = json.dumps({"message": "400 Bad request"}).encode()
            headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
            start_response("400 Bad Request", headers)
            return [body]


def refuse_to_start(error: Exception) -> NoReturn:
    """Say in one line what is wrong with the settings, and end as gunicorn's workers do that cannot start: with status 3."""
    logging.getLogger("gunicorn.error").critical("Not started: %s", error)
    raise SystemExit(3) from error


def get_service_application() -> ServiceHandler:
    """Set Django up and return the handler, as `django.core.wsgi.get_wsgi_application` does."""
    django.setup(set_prefix=False)
    return ServiceHandler()
