"""What Git LFS asks most: a batch of 1,000 objects, and the pre-authorisation of an upload. On PostgreSQL: `make bench-lfs`.

One process, without a server, by turns. CPU is this process' own; the database's is not in it.
"""

import base64
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.calling import ask, environ, log_to_nowhere
from benchmarks.costs import set_up

OBJECTS = 1000
WARM_UP, ROUNDS = 5, 40
PROJECT = "gnuwget/wget2"
TARGET = 60
"""Milliseconds of CPU that a batch of 1,000 objects may take."""


def oid(number: int) -> str:
    """An object id."""
    return f"{number:064x}"


def link_objects() -> None:
    """Let the even half of the objects belong to the project."""
    from repositories.models import LFSObject, LFSObjectLink, Project  # noqa: PLC0415  needs the environment

    project = Project.objects.get(route__path=PROJECT)
    rows = LFSObject.objects.bulk_create([LFSObject(oid=oid(number), size=number) for number in range(0, OBJECTS, 2)])
    LFSObjectLink.objects.bulk_create([LFSObjectLink(lfs_object=row, project=project) for row in rows])


def authorization() -> dict[str, str]:
    """A personal access token of the demo's developer, as git-lfs shows it."""
    from accounts.models import User  # noqa: PLC0415  needs the environment
    from accounts.services.personal_access_tokens import create_token  # noqa: PLC0415  likewise

    _, clear = create_token(user=User.objects.get(username="ann"), name="measured", scopes=["api"], expires_at=None)
    return {"Authorization": f"Basic {base64.b64encode(f'ann:{clear}'.encode()).decode()}"}


def batch(operation: str, headers: dict[str, str]) -> Callable[[], dict[str, Any]]:
    """Return what makes the request of a batch."""
    body = json.dumps({"operation": operation, "objects": [{"oid": oid(number), "size": number} for number in range(OBJECTS)]}).encode()
    return lambda: environ("POST", f"/{PROJECT}.git/info/lfs/objects/batch", body, headers)


def authorize(headers: dict[str, str]) -> Callable[[], dict[str, Any]]:
    """Return what makes the request by which Workhorse asks about an upload."""
    from internal_api.service_secrets import service_secrets  # noqa: PLC0415  needs the environment
    from internal_api.service_tokens import WORKHORSE  # noqa: PLC0415  likewise

    signed = {
        **headers,
        "Gitlab-Workhorse": "18.9",
        "Gitlab-Workhorse-Api-Request": WORKHORSE.issue(service_secrets(WORKHORSE)[0]),
        "X-Forwarded-For": "203.0.113.5",
    }
    return lambda: environ("PUT", f"/{PROJECT}.git/gitlab-lfs/objects/{oid(1)}/1/authorize", b"", signed)


def measure(application: Any, make: Callable[[], dict[str, Any]]) -> tuple[int, list[float]]:
    """Return the SQL statements of one request, and the milliseconds of CPU of each of many."""
    from internal_api.request_costs import costs  # noqa: PLC0415  needs the environment

    for _ in range(WARM_UP):
        ask(application, make())
    taken = []
    for _ in range(ROUNDS):
        request, began = make(), time.process_time()
        ask(application, request)
        taken.append((time.process_time() - began) * 1000)
    return costs.statements, sorted(taken)


def main() -> int:
    """Print a table; 1 when a batch takes more CPU than it may."""
    application = set_up()
    link_objects()
    log_to_nowhere()
    headers = authorization()
    cases = {
        f"batch, {OBJECTS} objects to download": batch("download", headers),
        f"batch, {OBJECTS} objects to upload": batch("upload", headers),
        "authorize of an upload": authorize(headers),
    }
    sys.stdout.write(f"{'request':36} {'statements':>10} {'median ms':>10} {'longest ms':>11}   load {os.getloadavg()[0]:.1f}\n")
    too_much = False
    for name, make in cases.items():
        statements, taken = measure(application, make)
        median = statistics.median(taken)
        too_much = too_much or median > TARGET
        sys.stdout.write(f"{name:36} {statements:10} {median:10.1f} {taken[-1]:11.1f}\n")
    return int(too_much)


if __name__ == "__main__":
    sys.exit(main())
