"""What a real gitlab-workhorse was seen to send for Git LFS is sent to the service again (tests/recordings/workhorse).

Requests are sent as they were, with content of our own. The recorded answers are a stand-in's, and partly made up to see what Workhorse
and git-lfs do with them: so each request is held against what the contract says of it, and an answer of the recorded status against the
recorded answer's keys (contract: git-http 3 to 5, 10). `DIFFERENCES` has the requests that are answered otherwise than was recorded.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pytest_django.fixtures import Settings

from accounts.models import User
from accounts.services.personal_access_tokens import create_token
from internal_api.http.wsgi import ServiceHandler
from repositories.lfs.local_storage import LocalStorage
from repositories.lfs.objects import finish_upload
from repositories.lfs.storage import lfs_storage
from repositories.lfs.upload import Upload
from repositories.models import Project
from tests.conftest import workhorse_headers
from tests.git_http.conftest import WORKHORSE_JSON, basic
from tests.git_http.lfs_api.conftest import LFS, LFS_JSON, entries, sign
from tests.git_http.test_recordings import Line
from tests.recordings.replaying import Answer, WSGIService

pytestmark = pytest.mark.django_db(transaction=True)  # a request through WSGI closes its connection to the database
DIRECTORY = Path(__file__).resolve().parents[2] / "recordings" / "workhorse"
NAMES = sorted(path.stem for path in DIRECTORY.glob("workhorse-lfs-*.jsonl"))
LFS_ROUTE = re.compile(r"\.git/(?:gitlab-lfs|info/lfs)/")
_OBJECT = re.compile(r"/gitlab-lfs/objects/(?P<oid>[^/?]+)(?:/(?P<size>\d+))?(?P<authorize>/authorize)?(?:\?.*)?\Z")
_OID = re.compile(r"<oid-(\d+)>")
MADE_UP = re.compile(
    r"(?:locks/)?(?:verify|batch|authorize|finalize) (?:answer|entry|[45])|ETag|backend sends|X-Sendfile with|302|file not there|path is a"
)
"""Steps whose answers were made up to see what Workhorse and git-lfs do with them."""
DIFFERENCES = {
    ("workhorse-lfs-locks", 4): "a reporter may not lock, and is not told that the path is locked (contract: git-http 5)",
    ("workhorse-lfs-upload", 22): "whether Workhorse has signed is asked before the path is looked at (contract: git-http 4.1)",
    ("workhorse-lfs-upload", 36): "an upload without its SHA-256 is not the announced object, and no fault (contract: git-http 4.3)",
}


class LFSLine(Line):
    """A request of Git LFS in a recording, and the answer that it was given."""

    @property
    def is_made_up(self) -> bool:
        return MADE_UP.match(str(self.line["step"])) is not None

    @property
    def told(self) -> dict[str, str]:
        """What Workhorse has signed of an upload."""
        found: dict[str, str] = self.line["upload_claims"]["upload"]
        return found


def lines(name: str) -> Iterator[LFSLine]:
    for text in (DIRECTORY / f"{name}.jsonl").read_text().splitlines():
        line = json.loads(text)
        if LFS_ROUTE.search(line.get("path", "")) and not line.get("no_request"):
            yield LFSLine(name, line)


def expected(line: LFSLine) -> int:
    """The status that the contract has for a request."""
    method, path, told = line.line["method"], line.path, line.headers.get("authorization", "")
    if not told and "pub/lic" not in path:
        return 401
    found = _OBJECT.search(path)
    if found is None:
        return _of_locks(line) if "/locks" in path else 200
    if method in {"GET", "HEAD"}:
        return 200
    if not line.is_signed:
        return 403
    if found["authorize"]:
        return 200
    claims = line.told
    return 200 if (claims.get("sha256"), claims["size"]) == (found["oid"], found["size"]) else 400


def _of_locks(line: LFSLine) -> int:
    if line.line["method"] == "POST" and "<pat-rex>" in line.headers["authorization"]:
        return 403
    return 201 if line.line["method"] == "POST" and line.path.endswith("/locks") else 200


def sizes_in(line: LFSLine) -> Iterator[tuple[str, int]]:
    """The objects that a request names, and their sizes: of what was uploaded, not what a path says of it."""
    found = _OBJECT.search(line.path)
    if found:
        yield found["oid"], int(found["size"] or 100)
    for oid, size in re.findall(r'"oid":"(<oid-\d+>)","size":(\d+)', line.line.get("body") or ""):
        yield oid, int(size)
    if line.line["kind"] == "b":
        yield line.told.get("sha256", ""), int(line.told["size"])


@dataclass
class Stage:
    """The service, and what the placeholders of a recording stand for."""

    storage: LocalStorage
    authorizations: dict[str, str]
    service: WSGIService = field(default_factory=lambda: WSGIService(ServiceHandler()))
    contents: dict[str, bytes] = field(default_factory=dict)
    locks: list[str] = field(default_factory=list)

    def learn(self, recorded: list[LFSLine]) -> None:
        """Give every object of a recording a content of the size that is named beside it."""
        for oid, size in {oid: size for line in recorded for oid, size in sizes_in(line)}.items():
            number = _OID.fullmatch(oid)
            if number:
                self.contents[oid] = (number[1].encode() + bytes(size))[:size]

    def link(self, project: int, oids: set[str]) -> None:
        """Let objects belong to a project, as earlier uploads did."""
        for oid in oids & set(self.contents):
            content = self.contents[oid]
            digest = hashlib.sha256(content).hexdigest()
            path = self.receive(content, f"earlier-{digest}")
            finish_upload(project, "project", digest, len(content), Upload(len(content), digest, str(path)))
            path.unlink()  # another name of the stored object

    def receive(self, content: bytes, name: str) -> Path:
        """Put content where Workhorse puts it."""
        path = Path(self.storage.authorize(len(content))["TempPath"]) / name
        path.write_bytes(content)
        path.chmod(0o600)
        return path

    def fill(self, text: str, directory: str) -> str:
        text = _OID.sub(lambda found: hashlib.sha256(self.contents[found[0]]).hexdigest(), text)
        return re.sub(r"<random-(\d+)>", r"\1", text.replace("<temp-path>", directory))

    def send(self, line: LFSLine) -> Answer:
        directory = str(self.storage.uploads)
        body, made = str(line.line.get("body") or ""), {"<workhorse-jwt>": workhorse_headers()["gitlab-workhorse-api-request"]}
        if line.line["kind"] == "b":
            upload = {name: self.fill(value, directory) for name, value in line.told.items()}
            self.receive(self.contents.get(line.told.get("sha256", ""), bytes(int(upload["size"]))), Path(upload["path"]).name)
            fields = {name: self.fill(value, directory) for name, value in line.line["fields_claims"]["rewritten_fields"].items()}
            made["<fields-jwt>"] = sign({"rewritten_fields": fields})
            body = body.replace("<upload-jwt>", sign({"upload": upload}))
        sent = self.fill(body, quote(directory, safe="")).encode()
        headers = [(name, self._header(name, value, made, len(sent))) for name, value in line.line["headers"]]
        path = re.sub(r"/locks/(\d+)/", lambda found: f"/locks/{self.locks[int(found[1]) - 1]}/", line.path)
        answer = self.service.send(line.line["method"], self.fill(path, directory), headers, sent)
        if answer.status == 201:
            self.locks.append(json.loads(answer.body)["lock"]["id"])
        return answer

    def _header(self, name: str, value: str, made: dict[str, str], length: int) -> str:
        if name == "Content-Length":
            return str(length)
        if name == "Host":
            return value.replace("<door>", "localhost:8181").replace("<backend>", "localhost:8080")
        return made.get(value, self.authorizations.get(value, re.sub(r"[<>]", "", value)))


@pytest.fixture
def stage(lfs: LFS, people: dict[str, User], storage: LocalStorage, settings: Settings) -> Stage:
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "git.example.com", "x"]
    User.objects.filter(pk=people["ann"].pk).update(admin=False)
    tokens = {name: create_token(user=people[name], name="recorded", scopes=["api"], expires_at=None)[1] for name in ("ann", "rex")}
    given = {f"Basic <base64 of {name}:<pat-{name}>>": basic(name, token) for name, token in tokens.items()}
    (entry,) = entries(lfs.batch("upload", basic("ann", tokens["ann"])))
    given["Basic <base64 of ann:<lfs-token-ann>>"] = entry["actions"]["upload"]["header"]["Authorization"]
    assert lfs_storage() is storage
    return Stage(storage, given)


def is_like(actual: Any, recorded: Any) -> bool:
    """Whether two JSON values have the same names at every depth; an empty list is like any other."""
    if isinstance(actual, dict) and isinstance(recorded, dict):
        return actual.keys() == recorded.keys() and all(is_like(actual[name], recorded[name]) for name in actual)
    if isinstance(actual, list) and isinstance(recorded, list):
        return not actual or not recorded or is_like(actual[0], recorded[0])
    return type(actual) is type(recorded)


@pytest.mark.parametrize("name", NAMES)
def test_requests_of_a_recording_are_answered_as_the_contract_has_it(name: str, stage: Stage) -> None:
    recorded = list(lines(name))
    assert recorded
    stage.learn(recorded)
    if name in {"workhorse-lfs-pull", "workhorse-lfs-download"}:
        for project in Project.objects.filter(pk__in=(7, 8)):
            stage.link(project.pk, set(stage.contents))
    problems = []
    for line in recorded:
        answer, status, then = stage.send(line), expected(line), line.line["answer"]
        where = f"{name}:{line.number} {line.line['method']} {line.path}"
        if answer.status != status:
            problems.append(f"{where}: {answer.status}, not {status}: {answer.body[:200]}")
        if not line.is_made_up and (status != then["status"]) is not ((name, line.number) in DIFFERENCES):
            problems.append(f"{where}: {then['status']} was recorded, and DIFFERENCES says otherwise")
        problems += [f"{where}: {text}" for text in wrong_form(line, answer)]
    assert not problems, "\n".join(problems)


def wrong_form(line: LFSLine, answer: Answer) -> Iterator[str]:
    """What is wrong with an answer besides its status."""
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    is_authorize = "/authorize" in line.path and answer.status == 200
    found = _OBJECT.search(line.path)
    is_content = found is not None and line.line["method"] in {"GET", "HEAD"} and answer.status == 200
    if (media_type == WORKHORSE_JSON) is not is_authorize:
        yield f"has media type {media_type}"
    if is_content:
        if media_type != "application/octet-stream" or not answer.headers.get("x-sendfile", "").startswith("/") or answer.body:
            yield "does not hand the file over"
    elif not is_authorize and media_type not in {LFS_JSON, "text/plain"}:
        yield f"has media type {media_type}"
    if answer.status >= 400 and (len(answer.body) > 4096 or answer.headers.get("x-gitlab-custom-error") != "1"):
        yield "could be replaced by a page"
    is_alike = answer.status == line.line["answer"]["status"] and not line.is_made_up and answer.body.startswith("{")
    recorded = line.line["answer"]["body"]
    if is_alike and (is_authorize or "/locks" in line.path) and not is_like(json.loads(answer.body), json.loads(recorded)):
        yield f"is {answer.body}, not like {recorded}"


def test_every_recording_of_lfs_is_replayed() -> None:
    assert len(NAMES) == 8
    assert {name for name, _ in DIFFERENCES} <= set(NAMES)
