"""The requests that are measured: for each case a thousand different ones, each with a token of its own."""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import jwt

from benchmarks.dataset import AGENT_TOKEN, Company
from benchmarks.load import Recorded

DIFFERENT = 2_000
_OLD, _NEW = "1" * 40, "2" * 40


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the callers share with the service."""

    shell: bytes
    kas: bytes
    scim: str

    def shell_header(self) -> dict[str, str]:
        """As GitLab Shell and Gitaly show it; never the same twice."""
        now = int(time.time())
        claims = {"iss": "gitlab-shell", "iat": now, "exp": now + 3600 * 6, "jti": uuid.uuid4().hex}
        return {"Gitlab-Shell-Api-Request": jwt.encode(claims, self.shell, algorithm="HS256")}

    def kas_headers(self, agent: int) -> dict[str, str]:
        """As kas shows it, and the agent's token."""
        now = int(time.time())
        claims = {"iss": "gitlab-kas", "aud": ["gitlab"], "iat": now, "nbf": now - 5, "exp": now + 3600 * 6, "jti": uuid.uuid4().hex}
        token = jwt.encode(claims, self.kas, algorithm="HS256")
        return {"Gitlab-Kas-Api-Request": token, "Authorization": f"Bearer {AGENT_TOKEN.format(agent)}"}


Maker = Callable[[Company, Credentials, int], Recorded]


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request. `target` is the most CPU, as a multiple of the floor's, where one is set."""

    name: str
    make: Maker
    target: float | None = None
    writes: bool = False

    def requests(self, company: Company, credentials: Credentials) -> list[Recorded]:
        """A fixed list, spread over everybody."""
        step = max(company.users // DIFFERENT, 1)
        return [self.make(company, credentials, 1 + (number * step + number) % company.users) for number in range(DIFFERENT)]


def _post(path: str, credentials: Credentials, body: Mapping[str, object]) -> Recorded:
    return Recorded("POST", f"/api/v4/internal/{path}", credentials.shell_header(), json.dumps(body).encode())


def _allowed(company: Company, credentials: Credentials, user: int, action: str, changes: str) -> Recorded:
    project = company.project_path(company.project_of(user))
    body = {"action": action, "project": project, "protocol": "ssh", "key_id": str(company.key_of(user)), "changes": changes}
    return _post("allowed", credentials, {**body, "check_ip": "127.0.0.1"})


def pull(company: Company, credentials: Credentials, user: int) -> Recorded:
    """GitLab Shell, before a clone or a fetch."""
    return _allowed(company, credentials, user, "git-upload-pack", "_any")


def push(company: Company, credentials: Credentials, user: int) -> Recorded:
    """Gitaly, with what is pushed: one ref, to a protected branch to which the pusher may force."""
    return _allowed(company, credentials, user, "git-receive-pack", f"{_OLD} {_NEW} refs/heads/main")


def authorized_keys(company: Company, credentials: Credentials, user: int) -> Recorded:
    """sshd, before anything else."""
    query = urlencode({"key": company.key_text(company.key_of(user))})
    return Recorded("GET", f"/api/v4/internal/authorized_keys?{query}", credentials.shell_header())


def discover(company: Company, credentials: Credentials, user: int) -> Recorded:
    """`ssh git@host`."""
    return Recorded("GET", f"/api/v4/internal/discover?key_id={company.key_of(user)}", credentials.shell_header())


def pre_receive(company: Company, credentials: Credentials, user: int) -> Recorded:
    """Gitaly's hook, when a push was allowed."""
    return _post("pre_receive", credentials, {"gl_repository": f"project-{company.project_of(user)}"})


def post_receive(company: Company, credentials: Credentials, user: int) -> Recorded:
    """Gitaly's hook, when a push has happened."""
    changes = f"{_OLD} {_NEW} refs/heads/main\n"
    body = {"gl_repository": f"project-{company.project_of(user)}", "identifier": f"user-{user}", "changes": changes, "push_options": []}
    return _post("post_receive", credentials, body)


def agent_info(company: Company, credentials: Credentials, user: int) -> Recorded:
    """kas, for an agent that connects."""
    return Recorded("GET", "/api/v4/internal/kubernetes/agent_info", credentials.kas_headers(user % company.agents + 1))


def _scim(credentials: Credentials, start: int) -> Recorded:
    query = urlencode({"startIndex": start, "count": 100})
    return Recorded("GET", f"/api/scim/v2/application/Users?{query}", {"Authorization": f"Bearer {credentials.scim}"})


def scim_first(_: Company, credentials: Credentials, user: int) -> Recorded:
    """A page of 100 near the beginning."""
    return _scim(credentials, user % 100 + 1)


def scim_last(company: Company, credentials: Credentials, user: int) -> Recorded:
    """A page of 100 near the end."""
    return _scim(credentials, company.users - 99 - user % 100)


CASES = (
    Case("allowed, _any", pull, 2.5),
    Case("allowed, push to a protected branch", push, 2.5),
    Case("authorized_keys", authorized_keys, 2.0),
    Case("discover", discover, 2.0),
    Case("pre_receive", pre_receive, 2.0),
    Case("post_receive", post_receive, writes=True),
    Case("agent_info", agent_info),
    Case("SCIM, a first page of 100", scim_first),
    Case("SCIM, a last page of 100", scim_last),
)


def mixed(company: Company, credentials: Credentials) -> list[Recorded]:
    """Git traffic, 100 pulls for 20 pushes: a pull asks twice, a push five times."""
    a_pull, a_push = (authorized_keys, pull), (authorized_keys, pull, push, pre_receive, post_receive)
    found: list[Recorded] = []
    for number in range(DIFFERENT // 6):
        *pullers, pusher = ((number * 37 + step) % company.users + 1 for step in range(6))
        found += [make(company, credentials, user) for user in pullers for make in a_pull]
        found += [make(company, credentials, pusher) for make in a_push]
    return found
