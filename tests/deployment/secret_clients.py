"""Clients of a fleet that ask all the time, each with a credential that hangs on a secret of the service."""

import base64
import http.client
import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from internal_api.service_tokens import KAS, SHELL, WORKHORSE

INTERNAL = "/api/v4/internal"
ACTOR = {"key_id": 11, "project": "acme/rockets", "protocol": "ssh"}
PAUSE = 0.1
ORIGIN = "http://localhost:3001"
"""EXTERNAL_URL, as it is where nobody sets it."""


@dataclass
class Answer:
    """What a client got."""

    status: int
    headers: dict[str, str]
    cookies: list[str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Fleet:
    """The nodes' ports; each call goes to the next one, on a connection of its own."""

    ports: Sequence[int]

    def __post_init__(self) -> None:
        self._turns = itertools.cycle(self.ports)
        self._lock = threading.Lock()

    def call(self, method: str, path: str, values: Any = None, **headers: str) -> Answer:
        with self._lock:
            port = next(self._turns)
        body = json.dumps(values) if isinstance(values, dict) else values
        sent = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers.items()), answer.headers.get_all("Set-Cookie") or [], answer.read())


@dataclass
class Clients:
    """`secrets` is where the clients' copies of the three shared secrets lie; `refused` is what went wrong."""

    fleet: Fleet
    secrets: Path
    changes: str
    """A push to a protected branch, which the service asks Gitaly about."""
    access_token: str
    agent_token: str
    scim_token: str
    refused: list[str] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)

    def shell_token(self) -> str:
        return SHELL.issue(SHELL.secret_from((self.secrets / "gitlab_shell_secret").read_text()))

    def pull(self) -> Answer:
        """GitLab Shell, which shares `gitlab_shell_secret`."""
        values = {**ACTOR, "action": "git-upload-pack", "changes": "_any"}
        return self.fleet.call("POST", f"{INTERNAL}/allowed", values, Gitlab_Shell_Api_Request=self.shell_token())

    def push(self) -> Answer:
        """Gitaly, which the service asks back with the storage's token, which is stored encrypted."""
        values = {**ACTOR, "action": "git-receive-pack", "changes": self.changes, "gl_repository": "project-1"}
        return self.fleet.call("POST", f"{INTERNAL}/allowed", values, Gitlab_Shell_Api_Request=self.shell_token())

    def report(self) -> Answer:
        """Gitaly, which reports a push; a worker reads the webhook's token."""
        values = {"identifier": "user-7", "gl_repository": "project-1", "changes": f"{'0' * 40} {'a' * 40} refs/heads/topic"}
        return self.fleet.call("POST", f"{INTERNAL}/post_receive", values, Gitlab_Shell_Api_Request=self.shell_token())

    def kas(self) -> Answer:
        """The agent server, which shares `gitlab_kas_secret`."""
        token = KAS.issue(KAS.secret_from((self.secrets / "gitlab_kas_secret").read_text()))
        path = f"{INTERNAL}/kubernetes/agent_info"
        return self.fleet.call("GET", path, Gitlab_Kas_Api_Request=token, Authorization=f"Bearer {self.agent_token}")

    def workhorse(self) -> Answer:
        """Workhorse, which shares `gitlab_workhorse_secret`."""
        token = WORKHORSE.issue(WORKHORSE.secret_from((self.secrets / "gitlab_workhorse_secret").read_text()))
        basic = base64.b64encode(f"ann:{self.access_token}".encode()).decode()
        path = "/acme/rockets.git/info/refs?service=git-upload-pack"
        headers = {"Gitlab_Workhorse_Api_Request": token, "Gitlab_Workhorse": "18.9.0", "Authorization": f"Basic {basic}"}
        return self.fleet.call("GET", path, **headers)

    def lfs(self) -> Answer:
        """Somebody with an LFS token, which one node signs with `secret_key` and another one checks."""
        shell = self.shell_token()
        values = {**ACTOR, "operation": "download"}
        made = self.fleet.call("POST", f"{INTERNAL}/lfs_authenticate", values, Gitlab_Shell_Api_Request=shell)
        if made.status != 200:
            return made
        shown = {"username": made.json()["username"], "token": made.json()["lfs_token"], "gl_repository": "project-1"}
        answer = self.fleet.call("POST", f"{INTERNAL}/lfs_token/verify", shown, Gitlab_Shell_Api_Request=shell)
        return answer if answer.json().get("valid") else Answer(401, {}, [], answer.body)

    def scim(self) -> Answer:
        """An identity provider."""
        return self.fleet.call("GET", "/api/scim/v2/groups/acme/Users", Authorization=f"Bearer {self.scim_token}")

    def sign_in(self, password: str) -> None:
        """Begin the session that `admin_site` goes on with."""
        page = self._browse("GET", "/admin/login/")
        hidden = re.search(rb'csrfmiddlewaretoken" value="(\w+)"', page.body)
        assert hidden is not None
        form = {"csrfmiddlewaretoken": hidden[1].decode(), "username": "root", "password": password, "next": "/admin/"}
        answer = self._browse("POST", "/admin/login/", urlencode(form))
        assert answer.status == 302, answer.body

    def admin_site(self) -> Answer:
        """An administrator whose session `secret_key` signs."""
        return self._browse("GET", "/admin/accounts/user/")

    def _browse(self, method: str, path: str, form: str | None = None) -> Answer:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Cookie": cookies, "Host": "localhost", "Content_Type": "application/x-www-form-urlencoded", "Origin": ORIGIN}
        answer = self.fleet.call(method, path, form, **headers)
        for cookie in answer.cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def run(self, ended: threading.Event) -> list[threading.Thread]:
        """Start all of them, each in a thread of its own, until `ended`."""
        kinds = (self.pull, self.push, self.report, self.kas, self.workhorse, self.lfs, self.scim, self.admin_site)
        threads = [threading.Thread(target=self._ask_until, args=(ended, kind), daemon=True) for kind in kinds]
        for thread in threads:
            thread.start()
        return threads

    def _ask_until(self, ended: threading.Event, kind: Callable[[], Answer]) -> None:
        name = kind.__name__
        while not ended.is_set():
            try:
                answer = kind()
            except Exception as error:  # noqa: BLE001  whatever it is, the client was not served
                self.refused.append(f"{name}: {error!r}")
            else:
                if answer.status != 200:
                    self.refused.append(f"{name}: {answer.status} {answer.body[:200]!r}")
            self.asked[name] = self.asked.get(name, 0) + 1
            time.sleep(PAUSE)
