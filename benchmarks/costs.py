"""What a request costs that is the same every time: SQL statements and Python calls. Fails above the limits below.

`make costs` on SQLite without Redis, as in CI; `make bench-costs` on PostgreSQL and Redis. Method: docs/performance.md.
"""

import io
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from benchmarks.calling import ask, environ, log_to_nowhere, python_calls

WARM_UP = 30


@dataclass(frozen=True)
class Case:
    """One kind of request, and what it may cost."""

    name: str
    method: str
    path: str
    body: dict[str, Any] | None
    statements: int
    calls: int
    caller: str = "shell"


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
PUSHED = {"gl_repository": "project-3", "identifier": "key-12", "changes": f"{'1' * 40} {'2' * 40} refs/heads/release/1"}
INTERNAL = "/api/v4/internal"
CASES = (
    Case("/allowed, a pull", "POST", f"{INTERNAL}/allowed", PULL, 1, 1575),
    Case(
        "/allowed, a push to a protected branch", "POST", f"{INTERNAL}/allowed", PUSH, 2, 1800
    ),  # the second is the note that it was allowed
    Case("/authorized_keys", "GET", f"{INTERNAL}/authorized_keys?{urlencode({'key': KEY})}", None, 1, 1280),
    Case("/discover", "GET", f"{INTERNAL}/discover?key_id=12", None, 1, 1230),
    Case("/pre_receive", "POST", f"{INTERNAL}/pre_receive", {"gl_repository": "project-3"}, 1, 1230),
    Case("/post_receive", "POST", f"{INTERNAL}/post_receive", PUSHED, 9, 3900),  # the ninth settles the note
    Case("agent_info", "GET", f"{INTERNAL}/kubernetes/agent_info", None, 1, 1650, "kas"),
    Case("SCIM, a page of 100", "GET", "/api/scim/v2/application/Users?startIndex=1&count=100", None, 2, 2100, "scim"),
)


def environ_of(case: Case, headers: Mapping[str, str]) -> dict[str, Any]:
    """One request of this kind."""
    return environ(case.method, case.path, json.dumps(case.body).encode() if case.body is not None else b"", headers)


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


def callers() -> dict[str, dict[str, str]]:
    """What GitLab Shell, kas and an identity provider with 100 people show."""
    from accounts.models import User  # noqa: PLC0415  needs the environment
    from internal_api.service_secrets import service_secrets  # noqa: PLC0415  likewise
    from internal_api.service_tokens import KAS, SHELL  # noqa: PLC0415  likewise
    from kubernetes_agent.services.tokens import create_agent, create_agent_token  # noqa: PLC0415  likewise
    from repositories.models import Project  # noqa: PLC0415  likewise
    from scim.models import Identity, Scope  # noqa: PLC0415  likewise
    from scim.services.tokens import rotate_token, scope_of  # noqa: PLC0415  likewise

    agent = create_agent(project=Project.objects.get(route__path="gnuwget/wget2"), name="measured")
    _, agent_token = create_agent_token(agent=agent, name="first")
    people = [User(username=f"person{number}", name=f"Person {number}", email=f"person{number}@example.com") for number in range(100)]
    scope = scope_of(None)
    Identity.objects.bulk_create(
        [Identity(scope=scope, user=user, extern_uid=user.username) for user in User.objects.bulk_create(people, batch_size=50)]
    )
    Scope.objects.filter(pk=scope.pk).update(identity_count=len(people))
    _, scim_token = rotate_token(None)
    return {
        "shell": {"Gitlab-Shell-Api-Request": SHELL.issue(service_secrets(SHELL)[0], lifetime=3600)},
        "kas": {
            "Gitlab-Kas-Api-Request": KAS.issue(service_secrets(KAS)[0], lifetime=3600),
            "Authorization": f"Bearer {agent_token}",
        },
        "scim": {"Authorization": f"Bearer {scim_token}"},
    }


def statements(application: Any, case: Case, headers: Mapping[str, str]) -> int:
    """SQL statements of one request; the last one's, when everything is warm."""
    from internal_api.request_costs import costs  # noqa: PLC0415  needs the environment

    ask(application, environ_of(case, headers))
    counted: int = costs.statements
    return counted


def main() -> int:
    """Print a table; 1 when a limit is passed."""
    application = set_up()
    log_to_nowhere()
    known = callers()
    sys.stdout.write(f"{'request':40} {'statements':>10} {'calls':>6}\n")
    too_much = []
    for case in CASES:
        headers = known[case.caller]
        for _ in range(WARM_UP):
            ask(application, environ_of(case, headers))
        counted = statements(application, case, headers)
        calls = python_calls(application, [environ_of(case, headers) for _ in range(10)])
        sys.stdout.write(f"{case.name:40} {counted:10} {calls:6}\n")
        if counted > case.statements or calls > case.calls:
            too_much.append(f"{case.name}: {counted} statements of {case.statements}, {calls} calls of {case.calls}")
    sys.stdout.write("".join(f"Too much: {one}\n" for one in too_much))
    return 1 if too_much else 0


if __name__ == "__main__":
    sys.exit(main())
