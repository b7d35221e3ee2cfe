"""What a request costs: SQL statements and Python calls, which are the same every time, and CPU beside the floor's, which is not.

`make bench-costs` prints all of it; `--quick` measures only what is the same every time and fails above the limits below.
Method: docs/performance.md.
"""

import cProfile
import io
import json
import logging
import os
import pstats
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any

ROUNDS, REQUESTS, WARM_UP = 15, 100, 30


@dataclass(frozen=True)
class Case:
    """One kind of request, and what it may cost."""

    name: str
    method: str
    path: str
    body: dict[str, Any] | None
    statements: int
    calls: int


KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIPGLFhGqgSWU+Gh1Glhf/Rc4PAqV7NyDpMTgpOVYULCD"
PULL = {
    "action": "git-upload-pack",
    "project": "gnuwget/wget2",
    "protocol": "ssh",
    "key_id": "12",
    "changes": "_any",
    "check_ip": "127.0.0.1",
}
PUSH = {
    "action": "git-receive-pack",
    "gl_repository": "project-3",
    "protocol": "ssh",
    "key_id": "12",
    "changes": f"{'1' * 40} {'2' * 40} refs/heads/release/1",
}
CASES = (
    Case("/allowed, a pull", "POST", "allowed", PULL, 1, 2000),
    Case("/allowed, a push to a protected branch", "POST", "allowed", PUSH, 2, 2600),
    Case("/authorized_keys", "GET", f"authorized_keys?key={KEY.replace('+', '%2B')}", None, 1, 1500),
    Case("/discover", "GET", "discover?key_id=12", None, 1, 1500),
    Case("/pre_receive", "POST", "pre_receive", {"gl_repository": "project-3"}, 1, 1500),
)


def environ(case: Case, token: str) -> dict[str, Any]:
    """One request as gunicorn hands it over."""
    body = json.dumps(case.body).encode() if case.body is not None else b""
    path, _, query = f"/api/v4/internal/{case.path}".partition("?")
    return {
        "REQUEST_METHOD": case.method,
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
        "HTTP_GITLAB_SHELL_API_REQUEST": token,
    }


def call(application: Any, case: Case, token: str) -> bytes:
    """The answer's body. Raises RuntimeError for another status than 200."""
    statuses: list[str] = []

    def start(status: str, _headers: Any, _error: Any = None, /) -> Any:
        statuses.append(status)

    answer = application(environ(case, token), start)
    body = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    if statuses != ["200 OK"]:
        raise RuntimeError(f"{case.name} answered {statuses}: {body[:300]!r}")
    return body


def set_up() -> Any:
    """The application over a database with the demo in it, and a branch that developers may push to without Gitaly being asked."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.base")
    os.environ.setdefault("LOG_LEVEL", "INFO")
    directory = os.environ.setdefault("VAR_DIR", tempfile.mkdtemp())
    os.environ.setdefault("DATABASE_URL", f"sqlite:///{directory}/db.sqlite3")  # never the developer's own
    from django.core.management import call_command  # noqa: PLC0415  needs the environment that is set above

    from settings.wsgi import application  # noqa: PLC0415  likewise

    call_command("migrate", verbosity=0)
    call_command("seed", "demo/seed.yaml", stdout=io.StringIO())
    from internal_api.models import InstanceSettings  # noqa: PLC0415  likewise
    from repositories.models import Project  # noqa: PLC0415  likewise
    from repositories.services.protected_refs import protect_branch  # noqa: PLC0415  likewise

    project = Project.objects.get(route__path="gnuwget/wget2")
    protect_branch(project, "release/*", {"push": [30], "merge": [30]}, allow_force_push=True)
    row = InstanceSettings.current()
    row.gitlab_shell_operation_limit = 1_000_000  # counted, and never reached
    row.save()
    return application


def python_calls(application: Any, case: Case, token: str) -> int:
    """Function calls of one request, as cProfile counts them."""
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(10):
        call(application, case, token)
    profile.disable()
    stats: Any = pstats.Stats(profile)
    total: int = stats.total_calls
    return round(total / 10)


def statements(application: Any, case: Case, token: str) -> int:
    """SQL statements of one request; the last one's, when everything is warm."""
    from internal_api.request_costs import costs  # noqa: PLC0415  needs the environment

    call(application, case, token)
    counted: int = costs.statements
    return counted


def floor_of(application: Any, case: Case, token: str) -> Any:
    """The floor for a case, by the statement that the service runs for it; None without PostgreSQL or without a statement."""
    from django.db import connection  # noqa: PLC0415  likewise

    from benchmarks.floor import Floor  # noqa: PLC0415  likewise
    from internal_api.authentication import service_secrets  # noqa: PLC0415  likewise
    from internal_api.service_tokens import SHELL  # noqa: PLC0415  likewise

    seen: list[tuple[str, Any]] = []

    def remember(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(remember):
        answer = call(application, case, token)
    if connection.vendor != "postgresql" or not seen or not isinstance(seen[0][1], dict):
        return None
    return Floor(connection.connection.cursor(), service_secrets(SHELL)[0], seen[0][0], dict(seen[0][1]), answer)


def cpu(application: Any, case: Case, token: str) -> float:
    """CPU milliseconds of one request."""
    started = time.process_time()
    for _ in range(REQUESTS):
        call(application, case, token)
    return (time.process_time() - started) * 1000 / REQUESTS


def compare(application: Any, floor: Any, case: Case, token: str) -> tuple[float, float]:
    """CPU milliseconds, and the median of the ratios to the floor of each round, the two in random order."""
    figures, ratios = [], []
    for _ in range(ROUNDS):
        order = [application, floor]
        random.shuffle(order)
        measured = {id(one): cpu(one, case, token) for one in order}
        figures.append(measured[id(application)])
        ratios.append(measured[id(application)] / measured[id(floor)])
    return statistics.median(figures), statistics.median(ratios)


def main() -> int:
    """Print a table; 1 when a limit is passed."""
    quick = "--quick" in sys.argv
    application = set_up()
    logging.getLogger().handlers[0].setStream(open(os.devnull, "w"))  # type: ignore[attr-defined]  # noqa: PTH123, SIM115  written as ever, to nowhere
    from internal_api.authentication import service_secrets  # noqa: PLC0415  needs the environment
    from internal_api.service_tokens import SHELL  # noqa: PLC0415  likewise

    token = SHELL.issue(service_secrets(SHELL)[0], lifetime=3600)
    sys.stdout.write(f"{'request':40} {'statements':>10} {'calls':>6} {'CPU ms':>7} {'x floor':>8}\n")
    too_much = []
    for case in CASES:
        for _ in range(WARM_UP):
            call(application, case, token)
        counted, calls = statements(application, case, token), python_calls(application, case, token)
        line = f"{case.name:40} {counted:10} {calls:6}"
        floor = None if quick else floor_of(application, case, token)
        if floor is not None:
            milliseconds, ratio = compare(application, floor, case, token)
            line += f" {milliseconds:7.2f} {ratio:8.2f}"
        sys.stdout.write(line + "\n")
        if counted > case.statements or calls > case.calls:
            too_much.append(f"{case.name}: {counted} statements of {case.statements}, {calls} calls of {case.calls}")
    sys.stdout.write("".join(f"Too much: {one}\n" for one in too_much))
    return 1 if too_much else 0


if __name__ == "__main__":
    sys.exit(main())
