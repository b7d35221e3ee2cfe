"""Send a recording to the service again and compare its answers with the recorded ones."""

import base64
import hashlib
import http.client
import io
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes
from wsgiref.util import setup_testing_defaults

import jwt
import pyotp
import yaml

from tests.recordings.differences import DIFFERENCES, Difference
from tests.recordings.exchanges import BUNDLE, SEED, Exchange, Placeholders, Recording


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: str


class Service(Protocol):
    """Something that takes requests, byte for byte."""

    @property
    def host(self) -> str:
        """What the Host header says."""

    def send(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
        """Answer a request."""


@dataclass(frozen=True)
class WSGIService:
    """The application of settings/wsgi.py, called as a WSGI server calls it."""

    application: Callable[..., Any]
    host: str = "127.0.0.1:3001"

    def send(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
        address, _, query = path.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": unquote_to_bytes(address).decode("latin-1"),
            "QUERY_STRING": query,
            "REMOTE_ADDR": "127.0.0.1",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.input": io.BytesIO(body),
        }
        for name, value in headers:
            key = name.upper().replace("-", "_")
            environ[key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"] = value
        if environ.get("HTTP_TRANSFER_ENCODING") == "chunked":
            environ |= {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
        setup_testing_defaults(environ)
        started: list[Any] = []
        chunks = self.application(environ, lambda status, headers, *_: started.extend((status, headers)))
        with closing(chunks):
            content = b"".join(chunks)
        return Answer(int(started[0][:3]), _lower_case(started[1]), content.decode())


@dataclass(frozen=True)
class HTTPService:
    """A server on a loopback port."""

    host: str

    def send(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
        with closing(http.client.HTTPConnection(self.host, timeout=120)) as connection:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders(body or None)
            response = connection.getresponse()
            content = response.read().decode()
            return Answer(response.status, _lower_case(response.getheaders()), content)


def _lower_case(headers: list[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


@dataclass
class Storage:
    """Gitaly's repositories of the recordings, below `root` of a stand-in's storage."""

    root: Path

    def restore(self) -> None:
        """Make them as they were before the first line of a recording."""
        shutil.rmtree(self.root / "@hashed", ignore_errors=True)
        for project in (3, 4, 5):
            repository = self.root / hashed(project)
            shutil.copytree(self._template(filled=project != 4), repository)

    def prepare(self, values: Any) -> None:
        """Make the quarantine directory that a question to /allowed names."""
        variables = json.loads(values.get("env", "{}"))
        if name := variables.get("GIT_OBJECT_DIRECTORY_RELATIVE"):
            (self.root / values["relative_path"] / name).mkdir(parents=True, exist_ok=True)

    def move(self, values: Any) -> None:
        """Move the refs that a push report says have moved, where the objects are known."""
        kind, _, number = values["gl_repository"].partition("-")
        repository = self.root / hashed(int(number), wiki=kind == "wiki")
        if not (repository / "HEAD").exists():
            return
        alternates = repository / "objects" / "info" / "alternates"
        alternates.parent.mkdir(exist_ok=True)
        alternates.write_text(f"{self._template(filled=True) / 'objects'}\n")
        for change in values["changes"].splitlines():
            _, new, ref = change.split()
            if _git(repository, "cat-file", "-e", new, check=False) == 0 or not int(new, 16):
                _git(repository, "update-ref", *(["-d", ref] if not int(new, 16) else [ref, new]))

    def _template(self, *, filled: bool) -> Path:
        template = self.root / ("filled.git" if filled else "empty.git")
        if not template.exists():
            init = ["git", "init", "--quiet", "--bare", "--initial-branch=main", str(template)]
            subprocess.run(init, check=True)
            if filled:
                refspecs = ["+refs/heads/*:refs/keep/*", "+refs/tags/*:refs/tags/*"]
                _git(template, "fetch", "--quiet", str(BUNDLE), *refspecs)
                _git(template, "update-ref", "refs/heads/main", "refs/keep/main")
        return template


def hashed(project: int, *, wiki: bool = False) -> str:
    """Return the path of a project's repository in its storage (contract: gitaly 4.1)."""
    digest = hashlib.sha256(str(project).encode()).hexdigest()
    return f"@hashed/{digest[:2]}/{digest[2:4]}/{digest}{'.wiki' if wiki else ''}.git"


def _git(repository: Path, *arguments: str, check: bool = True) -> int:
    command = ["git", "--git-dir", str(repository), *arguments]
    return subprocess.run(command, check=check, capture_output=True).returncode


@dataclass
class Secrets:
    """What tokens are signed with."""

    shell: bytes
    kas: bytes

    def sign(self, exchange: Exchange) -> str:
        """Return the token of a request, made now."""
        claims = {name: _moment(value) for name, value in exchange.line["claims"].items()}
        key = self.shell if claims["iss"] == "gitlab-shell" else base64.b64decode(self.kas)
        if "signed_with" in exchange.line:
            key = key[::-1]
        return jwt.encode(claims, key, "HS256")


def _moment(value: Any) -> Any:
    return int(time.time()) + int(value) if re.fullmatch(r"[-+]\d+", str(value)) else value


def seed_document() -> dict[str, Any]:
    """Return the state that every recording starts from."""
    document = yaml.safe_load(SEED.read_text())
    assert isinstance(document, dict)
    return document


def _agent_token(name: str) -> str:
    agent, _, token = name.partition("/")
    for project in seed_document()["projects"]:
        for known in project.get("agents", []):
            for one in known["tokens"] if known["name"] == agent else []:
                if one["name"] == token:
                    return str(one["token"])
    return "glagent-that-is-unknown"


def one_time_password() -> str:
    """Return the code that frank's device shows now."""
    frank = next(user for user in seed_document()["users"] if user["username"] == "frank")
    return pyotp.TOTP(frank["two_factor_secret"]).now()


@dataclass
class Replay:
    """One recording sent to a service; `problems` says where answers differ from the recorded."""

    recording: Recording
    service: Service
    secrets: Secrets
    storage: Storage
    socket: str
    tick: Callable[[float], None]
    problems: list[str] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    used: list[Difference] = field(default_factory=list)

    def run(self) -> None:
        """Send everything that the service saw, in order."""
        self.placeholders = Placeholders(
            {
                "<service>": self.service.host,
                "<gitaly-socket>": self.socket,
                "<otp>": one_time_password(),
                "<storage-path>": "/var/opt/gitlab/git-data/repositories",
            }
        )
        self.storage.restore()
        for exchange in self.recording.exchanges:
            self.tick(exchange.seconds_since_last)
            if not exchange.is_injected:
                self._send(exchange)
                self.sent.append(exchange.number)

    def _send(self, exchange: Exchange) -> None:
        body = self.placeholders.fill(exchange.body).encode()
        endpoint = exchange.path.rpartition("/")[2]
        if endpoint == "allowed":
            self.storage.prepare(json.loads(body))
        if endpoint == "post_receive":
            self.storage.move(json.loads(body))
        headers = [(name, self._header(exchange, name, value, body)) for name, value in exchange.headers]
        answer = self.service.send(exchange.line["method"], self.placeholders.fill(exchange.path), headers, body)
        self._compare(exchange, answer)

    def _header(self, exchange: Exchange, name: str, value: str, body: bytes) -> str:
        if name == "Content-Length":
            return str(len(body))
        if "agent_token" in exchange.line:
            value = value.replace("<agent-token>", _agent_token(exchange.line["agent_token"]))
        if exchange.line.get("claims"):
            for placeholder in ("<shell-jwt>", "<kas-jwt>"):
                value = value.replace(placeholder, self.secrets.sign(exchange))
        return self.placeholders.fill(value)

    # --- comparing ---------------------------------------------------------------------------

    def _compare(self, exchange: Exchange, answer: Answer) -> None:
        line, recorded = f"{self.recording.name}:{exchange.number}", exchange.line["answer"]
        self._same(line, "status", recorded["status"], answer.status)
        for name, value in recorded["headers"]:
            self._same(line, name, value, answer.headers.get(name.lower(), ""))
        try:
            expected, actual = (json.loads(text) for text in (recorded["body"], answer.body))
        except ValueError:
            self._same(line, "", recorded["body"], answer.body)
        else:
            self._same(line, "", expected, actual)

    def _same(self, line: str, part: str, expected: Any, actual: Any) -> None:
        """Compare a part of an answer and, if it is an object or a list, the parts of it."""
        difference = next((row for row in DIFFERENCES if row.concerns(line, part)), None)
        if difference is not None:
            self._differs(line, difference, expected, actual)
            return
        for name, below, found in _parts(expected, actual):
            self._same(line, f"{part}{name}".strip("."), below, found)
        if not self._is_alike(expected, actual):
            self.problems.append(f"{line} {part}: {expected!r} became {actual!r}")

    def _is_alike(self, expected: Any, actual: Any) -> bool:
        """Compare all but the parts of an object or a list: these are compared one by one."""
        if isinstance(expected, dict) and isinstance(actual, dict):
            return expected.keys() == actual.keys()
        if isinstance(expected, list) and isinstance(actual, list):
            return len(expected) == len(actual)
        if isinstance(expected, str) and isinstance(actual, str):
            return self.placeholders.matches(expected, actual)
        return type(expected) is type(actual) and bool(expected == actual)

    def _differs(self, line: str, difference: Difference, expected: Any, actual: Any) -> None:
        if not difference.holds(actual):
            self.problems.append(f"{line} {difference.part}: {actual!r}, not {difference.expected}")
        if expected != actual:
            self.used.append(difference)


def _parts(expected: Any, actual: Any) -> list[tuple[str, Any, Any]]:
    """Return what two objects or two lists have in common, with the name of each part."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return [(f".{name}", expected[name], actual[name]) for name in expected if name in actual]
    if isinstance(expected, list) and isinstance(actual, list):
        pairs = enumerate(zip(expected, actual, strict=False))
        return [(f"[{number}]", one, other) for number, (one, other) in pairs]
    return []
