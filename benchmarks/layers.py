"""Where the time of a request goes: cProfile's own time of each function, added up by the layer it belongs to.

`make profile`, on PostgreSQL and Redis with the demo's data; the requests are those of costs.py. Waiting for PostgreSQL is a layer by itself.
A profiler makes small functions look dearer than they are, so read the shares, not the times.
"""

import sys
from pathlib import Path
from typing import Any

from benchmarks.calling import ask, log_to_nowhere, profiled
from benchmarks.costs import CASES, Case, callers, environ_of, set_up

WARM_UP, REQUESTS = 30, 500
SHOWN = ("/allowed, a pull", "/allowed, a push to a protected branch", "/authorized_keys", "/post_receive")
ROOT = f"{Path(__file__).resolve().parents[1]}/"
# The first that a function's place holds decides.
LAYERS = (
    ("waiting for PostgreSQL", ("psycopg/connection.py:wait", "_send_query_prepared", "psycopg/waiting")),
    ("psycopg", ("psycopg",)),
    ("Redis' client", ("redis/", "socket.py", "'_socket.socket'")),
    ("token: PyJWT", ("jwt/", "hmac", "base64", "hashlib", "keys.load_der", "_hashlib")),
    ("log line", ("logging/", "internal_api/logs.py")),
    ("metrics", ("prometheus_client", "internal_api/metrics.py")),
    ("JSON", ("json/", "_json")),
    ("Django's models and queries", ("django/db/models", "django_tasks")),
    ("Django's database wrapper", ("django/db", "django/utils/asyncio", "asgiref", "django/utils/connection", "_asyncio")),
    ("Django's routing", ("django/urls", "re.Pattern", "re.Match")),
    ("Django's handler, signals, request and response", ("django/",)),
    ("Django REST framework", ("rest_framework/",)),
    ("our middleware, authentication and parameters", (f"{ROOT}internal_api/",)),
    ("the policy", (f"{ROOT}repositories/policy/",)),
    ("our views, services and selectors", (f"{ROOT}repositories/", f"{ROOT}accounts/")),
)
OTHER = "the rest"


Place = tuple[str, int, str]
"""A function, as cProfile names it: file, line, name. A builtin has no file."""


def layer_of(place: Place) -> str:
    """The layer of a function."""
    text = f"{place[0]}:{place[2]}"
    return next((name for name, parts in LAYERS if any(part in text for part in parts)), OTHER)


def measure(application: Any, case: Case, headers: dict[str, str]) -> dict[str, tuple[float, float]]:
    """For each layer its share of the time, and its calls for one request."""
    for _ in range(WARM_UP):
        ask(application, environ_of(case, headers))
    stats = profiled(application, [environ_of(case, headers) for _ in range(REQUESTS)])
    found: dict[str, tuple[float, float]] = {name: (0.0, 0.0) for name, _ in LAYERS} | {OTHER: (0.0, 0.0)}
    for place, (_, calls, own, _, by) in stats.stats.items():
        # What a builtin takes counts for whoever calls it, unless it has a layer of its own.
        is_theirs = place[0] == "~" and layer_of(place) == OTHER and by
        parts = [(caller, one[1], one[2]) for caller, one in by.items()] if is_theirs else [(place, calls, own)]
        for where, number, seconds in parts:
            share, counted = found[layer_of(where)]
            found[layer_of(where)] = (share + seconds / stats.total_tt, counted + number / REQUESTS)
    return found


def main() -> None:
    """A column of shares and one of calls for each request, as a table."""
    application = set_up()
    log_to_nowhere()
    known = callers()
    columns = {case.name: measure(application, case, known[case.caller]) for case in CASES if case.name in SHOWN}
    head = " | ".join(f"{name}: share | calls" for name in columns)
    sys.stdout.write(f"| layer | {head} |\n|---|{'--:|' * len(columns) * 2}\n")
    for layer in [name for name, _ in LAYERS] + [OTHER]:
        cells = " | ".join(f"{column[layer][0]:.0%} | {column[layer][1]:.0f}" for column in columns.values())
        sys.stdout.write(f"| {layer} | {cells} |\n")


if __name__ == "__main__":
    main()
