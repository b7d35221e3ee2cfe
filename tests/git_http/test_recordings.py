"""What a real gitlab-workhorse was seen to send is sent to the service again, request by request (tests/recordings/workhorse).

The recorded answers are a stand-in's, and partly made up to see what Workhorse does with them. So each request is held against what
the contract says of it: who asks, for what, and whether Workhorse has signed it (contract: git-http 1 to 2, 10).
Those of Git LFS have a replay of their own (lfs_api/test_recordings.py).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import User
from accounts.services.personal_access_tokens import create_token
from internal_api.http.wsgi import ServiceHandler
from internal_api.models import AuditEvent, InstanceSettings
from internal_api.service_secrets import service_secrets
from internal_api.service_tokens import SHELL
from repositories.models import Project
from tests.conftest import workhorse_headers
from tests.factories import ProjectFactory
from tests.git_http.conftest import WORKHORSE_JSON, basic
from tests.recordings.exchanges import Placeholders
from tests.recordings.replaying import WSGIService

pytestmark = pytest.mark.django_db(transaction=True)  # a request through WSGI closes its connection to the database
DIRECTORY = Path(__file__).resolve().parents[1] / "recordings" / "workhorse"
NAMES = sorted(path.stem for path in DIRECTORY.glob("*.jsonl"))
GIT = re.compile(r"/(?P<path>.+)\.git/(?:info/refs\?service=(?P<asked>[\w-]+)|(?P<posted>git-(?:upload|receive)-pack)(?:\?.*)?)")
LFS = re.compile(r"\.git/(gitlab-lfs|info/lfs)/")
PREFIX = "/sub/dir"
"""Of a Workhorse whose `-authBackend` has a path; the service is not served below one."""


@dataclass(frozen=True)
class Line:
    """A request of a recording."""

    name: str
    line: dict[str, Any]

    @property
    def number(self) -> int:
        return int(self.line["seq"])

    @property
    def kind(self) -> str:
        return str(self.line.get("kind"))

    @property
    def method(self) -> str:
        return str(self.line["method"])

    @property
    def path(self) -> str:
        return str(self.line["path"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.line["headers"]}

    @property
    def is_signed(self) -> bool:
        return self.headers.get("gitlab-workhorse-api-request") == "<workhorse-jwt>"

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "")


def lines(name: str) -> Iterator[Line]:
    """The requests that reached the backend and are not LFS' own."""
    for text in (DIRECTORY / f"{name}.jsonl").read_text().splitlines():
        line = json.loads(text)
        if "path" in line and not line.get("no_request") and not LFS.search(line["path"]) and not line["path"].startswith(PREFIX):
            yield Line(name, line)


def expected(line: Line) -> set[int]:
    """The statuses that the contract has for a request of Git or of Workhorse's own."""
    if line.path.startswith("/api/v4/geo/proxy"):
        return {200} if line.is_signed else {403}
    if line.path.startswith("/api/v4/internal/shellhorse/git_audit_event"):
        return {200}
    if line.method == "HEAD" and "/info/refs" in line.path:
        return {403}
    if "ssh-upload-pack" in line.path:
        return {404}
    cleaned = re.sub(r"/x/\.\.", "", line.path).replace("//", "/").replace("%2F", "/")
    found = GIT.fullmatch(cleaned)
    if found is None or line.method not in {"GET", "POST"} or (line.method == "GET") != (found["posted"] is None):
        return set()
    return {_of_git(line, found["path"], found["asked"] or found["posted"])}


def _of_git(line: Line, path: str, command: str) -> int:
    """Who asks first, then whether Workhorse does, then what the actor may (contract: git-http 2.2)."""
    if not line.authorization:
        admitted = path == "pub/lic" and command == "git-upload-pack"
        return (200 if line.is_signed else 403) if admitted else 401
    if "<pat-ann>" not in line.authorization and "<pat-rex>" not in line.authorization:
        return 401
    if not line.is_signed:
        return 403
    if path not in {"gnuwget/wget2", "pub/lic", "gnuwget/none"}:
        return 404
    return 403 if "<pat-rex>" in line.authorization and command == "git-receive-pack" else 200


@dataclass
class Stage:
    """The service, and what the placeholders of a recording stand for."""

    service: WSGIService
    tokens: dict[str, str]
    placeholders: Placeholders

    def send(self, line: Line) -> Any:
        body = self.placeholders.fill(str(line.line.get("body") or "")).encode()
        headers = [(name, self._header(name, value, body)) for name, value in line.line["headers"]]
        return self.service.send(line.method, self.placeholders.fill(line.path), headers, body)

    def _header(self, name: str, value: str, body: bytes) -> str:
        if name == "Content-Length" and body:
            return str(len(body))
        if value == "<workhorse-jwt>":
            return workhorse_headers()["gitlab-workhorse-api-request"]
        if value == "<shell-jwt>":
            return SHELL.issue(service_secrets(SHELL)[0])
        basic_of = re.fullmatch(r"Basic <base64 of ([^:]*):(.*)>", value)
        if basic_of is not None:
            return basic(basic_of[1], self.tokens.get(basic_of[2], basic_of[2]))
        if name == "Host":
            return value.replace("<door>", "localhost:8181").replace("<backend>", "localhost:8080")
        return self.placeholders.fill(value)


@pytest.fixture
def stage(project7: Project, project8: Project, people: dict[str, User], settings: Settings, store: Any) -> Stage:
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "git.example.com"]
    ProjectFactory.create(id=9, path="none", namespace=project7.namespace)
    Project.objects.filter(pk=9).update(visibility="private")
    User.objects.filter(pk=people["ann"].pk).update(admin=False)
    for name in ("ann", "rex"):
        from repositories.services.access import set_member  # noqa: PLC0415  beside its only use

        set_member(Project.objects.get(pk=9), people[name], 30 if name == "ann" else 20)
    tokens = {
        f"<pat-{name}>": create_token(user=people[name], name="recorded", scopes=["api"], expires_at=None)[1] for name in ("ann", "rex")
    }
    row = InstanceSettings.stored()
    row.log_git_audit_events = True
    row.save()
    return Stage(WSGIService(ServiceHandler()), tokens, Placeholders())


@pytest.mark.parametrize("name", NAMES)
def test_requests_of_a_recording_are_answered_as_the_contract_has_it(name: str, stage: Stage) -> None:
    problems = []
    for line in lines(name):
        statuses = expected(line)
        if not statuses:
            continue
        answer = stage.send(line)
        media_type = answer.headers.get("content-type", "").partition(";")[0]
        if answer.status not in statuses:
            problems.append(f"{name}:{line.number} {line.method} {line.path} of {line.authorization}: {answer.status}, not {statuses}")
        if (media_type == WORKHORSE_JSON) is not (answer.status == 200 and line.is_signed and ".git/" in line.path):
            problems.append(f"{name}:{line.number} has media type {media_type}")
        if answer.status == 401 and answer.headers.get("www-authenticate") != 'Basic realm="GitLab"':
            problems.append(f"{name}:{line.number} has no challenge")
        if answer.status >= 400 and (len(answer.body) > 4096 or answer.headers.get("x-gitlab-custom-error") != "1"):
            problems.append(f"{name}:{line.number} could be replaced by a page")
    assert not problems, "\n".join(problems)


def test_what_arrives_unsigned_or_at_odd_addresses(stage: Stage) -> None:
    """contract: git-http 1.1, 10.2: nothing of Workhorse's media type, no HTML, and a redirect for a path without `.git` alone."""
    seen = 0
    for line in lines("workhorse-routing"):
        if line.kind != "c" or line.path.startswith(("/admin", "/api/v4/internal")):
            continue
        answer = stage.send(line)
        seen += 1
        assert not answer.headers.get("content-type", "").startswith((WORKHORSE_JSON, "text/html")), line.path
        if answer.status == 301:
            assert answer.headers["location"].startswith("/")
        elif not line.path.startswith("/-/"):
            assert answer.status in {401, 403, 404, 405}, f"{line.method} {line.path}: {answer.status}"
    assert seen > 10


def test_redirects_of_the_recording(stage: Stage) -> None:
    """contract: git-http 103."""
    redirected = [line for line in lines("workhorse-redirect") if line.kind == "c"]
    assert redirected
    for line in redirected:
        answer = stage.send(line)
        address, _, query = line.path.partition("?")
        assert answer.status == 301
        assert answer.headers["location"] == f"{address.removesuffix('/info/refs')}.git/info/refs?{query}"


def test_the_audit_calls_of_the_recording(stage: Stage) -> None:
    """contract: git-http C13: clones count once, pulls with nothing new and broken ones not at all, pushes once."""
    counted = []
    for line in lines("workhorse-audit"):
        if line.kind != "own":
            continue
        before = AuditEvent.objects.filter(action="repository_git_operation").count()
        assert stage.send(line).status == 200
        counted.append((line.line["step"], AuditEvent.objects.filter(action="repository_git_operation").count() - before))
    steps: dict[str, int] = {}
    for step, number in counted:
        steps[step] = steps.get(step, 0) + number
    for step, number in steps.items():
        silent = "fetches nothing new" in step or step.startswith(("nobody", "broken request", "audit call answered with 500"))
        assert number == (0 if silent else 1), step


def test_the_hooks_of_a_recorded_push_over_http(stage: Stage) -> None:
    """contract: git-http 101, C15: the answers of /allowed, /pre_receive and /post_receive to Gitaly's calls as they were recorded."""
    asked = [line for line in lines("workhorse-push") if line.kind == "None"]
    assert {line.path.rpartition("/")[2] for line in asked} == {"allowed", "pre_receive", "post_receive"}
    ann = User.objects.get(username="ann")
    for line in asked:
        body = json.loads(stage.placeholders.fill(line.line["body"]).replace("<", "").replace(">", ""))
        if "changes" in body:
            body["changes"] = re.sub(r"commit-\S+", "a" * 40, body["changes"])
        if "user_id" in body:
            body["user_id"] = str(ann.pk)
        if "identifier" in body:
            body["identifier"] = f"user-{ann.pk}"
        client = Client(headers={"gitlab-shell-api-request": SHELL.issue(service_secrets(SHELL)[0])})
        answer = client.post(line.path, body, content_type="application/json")
        assert answer.status_code == 200, (line.number, answer.content)


def test_every_recording_is_replayed() -> None:
    assert len(NAMES) == 29
    assert all(any(True for _ in lines(name)) for name in NAMES if name not in {"workhorse-lfs-download", "workhorse-lfs-upload"})
