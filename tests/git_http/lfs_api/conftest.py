"""Requests as git-lfs, GitLab Shell and GitLab Workhorse make them, and objects that were uploaded."""

import json
import uuid
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from django.core.signals import request_finished
from django.db import close_old_connections
from django.test import Client

from internal_api.service_secrets import service_secrets
from internal_api.service_tokens import WORKHORSE
from repositories.lfs.local_storage import LocalStorage
from repositories.lfs.objects import finish_upload
from repositories.lfs.storage import lfs_storage
from repositories.lfs.upload import Upload
from repositories.models import Project
from tests.conftest import workhorse_headers
from tests.repositories.lfs.conftest import oid_of

LFS_JSON = "application/vnd.git-lfs+json"
CONTENT = b"a large picture"
OID, SIZE = oid_of(CONTENT), len(CONTENT)
OTHER = oid_of(b"another")


class LFS:
    """Asks the API at a repository's path, with or without Workhorse's token."""

    def __init__(self, path: str = "gnuwget/wget2") -> None:
        self.path = path
        self.client = Client()

    def at(self, path: str) -> "LFS":
        return LFS(path)

    def url(self, rest: str) -> str:
        return f"/{self.path}.git/{rest}"

    def post(self, rest: str, body: Any = None, authorization: str | None = None, **headers: str) -> Any:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = _headers(authorization, headers)
        return self.client.post(self.url(rest), content, content_type=f"{LFS_JSON}; charset=utf-8", headers=sent)

    def get(self, rest: str, authorization: str | None = None, query: dict[str, Any] | None = None, **headers: str) -> Any:
        return self.client.get(self.url(rest), query or {}, headers=_headers(authorization, headers))

    def batch(self, operation: str, authorization: str | None = None, *objects: tuple[str, int], **more: Any) -> Any:
        asked = [{"oid": oid, "size": size} for oid, size in objects or [(OID, SIZE)]]
        return self.post("info/lfs/objects/batch", {"operation": operation, "objects": asked, **more}, authorization)

    def authorize(self, authorization: str | None = None, oid: str = OID, size: int = SIZE, *, signed: bool = True) -> Any:
        headers = _headers(authorization, workhorse_headers() if signed else {})
        return self.client.put(self.url(f"gitlab-lfs/objects/{oid}/{size}/authorize"), headers=headers)

    def finalize(
        self,
        authorization: str | None = None,
        oid: str = OID,
        size: int = SIZE,
        *,
        told: dict[str, str] | None = None,
        plain: dict[str, str] | None = None,
        fields: dict[str, Any] | None = None,
        signed: bool = True,
        chunked: bool = False,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """The form that Workhorse sends; `told` is what it signs, `plain` what stands beside it, `fields` the header's claim."""
        upload = told or {}
        sent = _headers(authorization, {**(workhorse_headers() if signed else {}), **(headers or {})})
        if fields != {}:
            sent["gitlab-workhorse-multipart-fields"] = sign({"rewritten_fields": fields or {"file": upload.get("path", "")}})
        form = {f"file.{name}": value for name, value in {**upload, **(plain or {})}.items()}
        form |= {"Content-Type": "application/octet-stream"}
        if upload:
            form["file.gitlab-workhorse-upload"] = sign({"upload": upload})
        body = urlencode(form).encode()
        extra = in_chunks(body) if chunked else {}
        url = self.url(f"gitlab-lfs/objects/{oid}/{size}")
        return self.client.put(url, body, content_type="application/x-www-form-urlencoded", headers=sent, **extra)


def in_chunks(body: bytes) -> dict[str, Any]:
    """What the WSGI server says of a body that comes in chunks."""
    return {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True, "CONTENT_LENGTH": "", "wsgi.input": BytesIO(body)}


def sign(claims: dict[str, Any], secret: bytes | None = None) -> str:
    """A token as Workhorse makes it."""
    return jwt.encode({**claims, "iss": "gitlab-workhorse"}, secret or service_secrets(WORKHORSE)[0], algorithm="HS256")


def _headers(authorization: str | None, headers: dict[str, str]) -> dict[str, str]:
    given = {} if authorization is None else {"authorization": authorization}
    return given | {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
def lfs(project7: Project, project8: Project) -> LFS:
    """The API at project 7's path."""
    return LFS()


@pytest.fixture
def storage(db: None) -> LocalStorage:
    found = lfs_storage()
    assert isinstance(found, LocalStorage)
    return found


@pytest.fixture
def receive(storage: LocalStorage) -> Callable[..., dict[str, str]]:
    """Put content where Workhorse puts it, and return what Workhorse says of it."""

    def received(content: bytes = CONTENT) -> dict[str, str]:
        path = Path(storage.authorize(len(content))["TempPath"]) / f"gitlab-workhorse-upload{uuid.uuid4().hex}"
        path.write_bytes(content)
        path.chmod(0o600)
        return {
            "name": "upload",
            "path": str(path),
            "remote_id": "",
            "remote_url": "",
            "sha256": oid_of(content),
            "size": str(len(content)),
            "upload_duration": "0.0002",
        }

    return received


@pytest.fixture
def link(receive: Callable[..., dict[str, str]]) -> Callable[..., None]:
    """Let an object belong to a project, as an upload does."""

    def linked(project: Project, content: bytes = CONTENT, kind: str = "project") -> None:
        told = receive(content)
        finish_upload(project.pk, kind, oid_of(content), len(content), Upload(len(content), told["sha256"], told["path"]))
        Path(told["path"]).unlink()

    return linked


def refused(answer: Any, status: int, message: str | None = None) -> None:
    """The answer refuses as the contract has it: JSON that git-lfs prints (contract: git-http 22, 133)."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == LFS_JSON
    assert answer["X-GitLab-Custom-Error"] == "1"
    assert len(answer.content) < 4096
    body = answer.json()
    assert isinstance(body["message"], str)
    assert isinstance(body["documentation_url"], str)
    if message is not None:
        assert body["message"] == message


def entries(answer: Any) -> list[dict[str, Any]]:
    """The entries of a batch that was answered."""
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == LFS_JSON
    assert list(answer.json()) == ["objects"]
    found: list[dict[str, Any]] = answer.json()["objects"]
    return found


def content(answer: Any, status: int = 200) -> bytes:
    """The bytes of a download, to its end."""
    assert answer.status_code == status, answer.status_code
    assert answer["Content-Type"] == "application/octet-stream"
    return bytes(answer.getvalue() if answer.streaming else answer.content)  # the client closes what it has read


def abandon(answer: Any) -> None:
    """Close an answer before its end, as a server does whose client went away; the test keeps its own connection to the database."""
    request_finished.disconnect(close_old_connections)
    try:
        answer.close()
    finally:
        request_finished.connect(close_old_connections)
