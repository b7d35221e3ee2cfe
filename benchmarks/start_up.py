"""What a start costs and what a worker holds, beside an empty Django and DRF project with the admin site; and whether it grows."""

import tempfile
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import mean

from benchmarks.cases import mixed
from benchmarks.load import play, write_requests
from benchmarks.processes import Gunicorn, cpu_seconds, resident_megabytes
from benchmarks.stage import Stage

STARTS = 10
_SETTINGS = """
SECRET_KEY = "empty"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "empty.urls"
INSTALLED_APPS = ["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
                  "django.contrib.messages", "django.contrib.staticfiles", "rest_framework"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.contrib.sessions.middleware.SessionMiddleware",
              "django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware",
              "django.contrib.auth.middleware.AuthenticationMiddleware", "django.contrib.messages.middleware.MessageMiddleware"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {"context_processors": [
    "django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages"]}}]
STATIC_URL = "/static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres"}}
"""
_URLS = """
from django.contrib import admin
from django.urls import path
from rest_framework.response import Response
from rest_framework.views import APIView

class Empty(APIView):
    authentication_classes = permission_classes = []
    def get(self, request):
        return Response({})

urlpatterns = [path("-/liveness", Empty.as_view()), path("admin/", admin.site.urls)]
"""
_WSGI = """
import os
from django.core.wsgi import get_wsgi_application
os.environ["DJANGO_SETTINGS_MODULE"] = "empty.settings"
application = get_wsgi_application()
"""


@dataclass(frozen=True, slots=True)
class Start:
    """CPU seconds until a worker has answered its first request, and what that worker holds then; means, since CPU is told in ticks."""

    cpu: float
    megabytes: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What the largest worker holds after so many requests."""

    requests: int
    megabytes: float


def _empty_project(directory: Path) -> None:
    package = directory / "empty"
    package.mkdir(parents=True)
    for name, text in (("__init__", ""), ("settings", _SETTINGS), ("urls", _URLS), ("wsgi", _WSGI)):
        (package / f"{name}.py").write_text(text)


def _ask(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("GET", "/-/liveness")
            connection.getresponse().read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()


def _start(server: Gunicorn) -> Start:
    found = []
    for number in range(STARTS + 1):
        server.start()
        try:
            _ask(server.port)
            if number:  # the first start compiles and warms the disk's cache
                found.append((cpu_seconds(server.pid), max(resident_megabytes(pid) for pid in server.worker_pids())))
        finally:
            server.stop()
    cpu, megabytes = zip(*found, strict=True)
    return Start(mean(cpu), mean(megabytes))


def starts(stage: Stage) -> tuple[Start, Start]:
    """The service's and the empty project's, one worker each, under the same gunicorn settings."""
    ours = _start(Gunicorn("start", "settings.wsgi", stage.service.environment, stage.directory, workers=1))
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        _empty_project(place)
        theirs = _start(Gunicorn("empty", "empty.wsgi", {"PYTHONPATH": directory}, stage.directory, workers=1, python_path=place))
    return ours, theirs


def memory_over_time(stage: Stage, requests: int, steps: int = 5) -> list[Memory]:
    """Mixed Git traffic at a fresh server until so many requests are answered."""
    played = write_requests(stage.directory / "mixed", mixed(stage.large, stage.credentials))
    server = Gunicorn("memory", "settings.wsgi", stage.service.environment, stage.directory)
    server.start()
    try:
        answered = 0
        found: list[Memory] = []
        while answered < requests:
            target = (len(found) + 1) * requests / (steps * 2)
            while answered < target:
                answered += play(server.port, played, seconds=1).requests
            found.append(Memory(answered, max(resident_megabytes(pid) for pid in server.worker_pids())))
        return found
    finally:
        server.stop()
