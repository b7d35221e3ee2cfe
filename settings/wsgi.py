"""The WSGI application that gunicorn, or any WSGI server, serves."""

import gc
import os

# What is loaded now stays; looking for garbage in it takes a fifth of a start, and later a pause in the middle of somebody's request.
gc.disable()

from django.core.exceptions import ImproperlyConfigured  # noqa: E402
from django.urls import get_resolver  # noqa: E402

from internal_api import tracing  # noqa: E402
from internal_api.database_checks import refuse_unfit_databases  # noqa: E402
from internal_api.http.wsgi import get_service_application, refuse_to_start  # noqa: E402
from internal_api.service_tokens import KAS, SHELL, WORKHORSE  # noqa: E402

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.base")
try:
    application = get_service_application()
    tracing.start()
    refuse_unfit_databases()
except ImproperlyConfigured as error:
    refuse_to_start(error)

from internal_api.service_secrets import service_secrets  # noqa: E402  needs the settings, which the line above has set up

# A server without usable secrets must not start: it would refuse every caller, one request at a time.
for service in (SHELL, KAS, WORKHORSE):
    service_secrets(service)

get_resolver().url_patterns  # noqa: B018  loads every view before the first request
gc.freeze()
gc.enable()
