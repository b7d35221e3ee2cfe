"""The WSGI application that gunicorn, or any WSGI server, serves."""

import os

from django.core.wsgi import get_wsgi_application

from internal_api.service_tokens import KAS, SHELL

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.base")
application = get_wsgi_application()

from internal_api.authentication import service_secrets  # noqa: E402  needs the settings, which the line above has set up

# A server without usable secrets must not start: it would refuse every caller, one request at a time.
for service in (SHELL, KAS):
    service_secrets(service)
