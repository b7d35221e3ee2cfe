"""How long, and how much memory, one push of many refs takes: `python -m tests.servers -- python -m benchmarks.push_of_many_refs`.

Calls the WSGI application in this process, on whatever DATABASE_URL names; the database is migrated and given the demo.
"""

import io
import json
import os
import resource
import sys
import tempfile
import time
from typing import Any

REFS = (1, 1_000, 20_000)


def request(path: str, token: str, body: bytes) -> dict[str, Any]:
    """The environment of one POST."""
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": f"/api/v4/internal/{path}",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "3001",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_GITLAB_SHELL_API_REQUEST": token,
    }


def main() -> None:
    """Print a line for each number of refs."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.base")
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    os.environ.setdefault("VAR_DIR", tempfile.mkdtemp())
    from django.core.management import call_command  # noqa: PLC0415  likewise

    from internal_api.service_secrets import service_secrets  # noqa: PLC0415  likewise
    from internal_api.service_tokens import SHELL  # noqa: PLC0415  likewise
    from settings.wsgi import application  # noqa: PLC0415  needs the environment that is set above

    call_command("migrate", verbosity=0)
    call_command("seed", "demo/seed.yaml", stdout=io.StringIO())

    def call(path: str, question: dict[str, Any]) -> float:
        body = json.dumps(question).encode()
        statuses: list[str] = []

        def start(status: str, _headers: Any, _error: Any = None, /) -> Any:
            statuses.append(status)

        started = time.perf_counter()
        b"".join(application(request(path, SHELL.issue(service_secrets(SHELL)[0]), body), start))
        if statuses != ["200 OK"]:
            raise RuntimeError(f"{path} answered {statuses}")
        return (time.perf_counter() - started) * 1000

    sys.stdout.write(f"{'refs':>7} {'allowed ms':>11} {'post_receive ms':>16} {'peak MiB':>9}\n")
    for refs in REFS:
        changes = "".join(f"{'0' * 40} {number + 1:040x} refs/heads/branch-{number}\n" for number in range(refs))
        question = {"action": "git-receive-pack", "gl_repository": "project-3", "protocol": "ssh", "key_id": "12", "changes": changes}
        before = min(call("allowed", question) for _ in range(3))
        after = call("post_receive", {"gl_repository": "project-3", "identifier": "key-12", "changes": changes})
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        sys.stdout.write(f"{refs:7} {before:11.1f} {after:16.1f} {peak:9.0f}\n")


if __name__ == "__main__":
    main()
