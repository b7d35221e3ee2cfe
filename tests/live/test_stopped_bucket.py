"""A bucket of LFS objects that accepts connections and never answers: what else is asked goes on (contract: git-http 4.7)."""

import base64
import os
import socket
import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import jwt
import pytest

from tests.live.test_faults import COMPANY, PULL, serving
from tests.live.test_slow_dependencies import GUARD, THREADS, Timed, asking_on, get
from tests.repositories.lfs.conftest import oid_of

pytestmark = [pytest.mark.live, pytest.mark.postgresql]
TOKEN = "glpat-of-somebody-with-large-files"
OID = oid_of(b"a large file")
REPOSITORY = "/acme/rockets.git"
BATCH = b'{"operation": "upload", "objects": [{"oid": "%s", "size": 1000}]}' % OID.encode()


def asker(port: int, directory: Path) -> Callable[..., int]:
    """Ask as GitLab Workhorse passes a request on; the status."""
    secret = base64.b64decode((directory / "workhorse_secret").read_text())
    headers = {
        "Authorization": f"Basic {base64.b64encode(f'ann:{TOKEN}'.encode()).decode()}",
        "Gitlab-Workhorse": "18.9.0",
        "Gitlab-Workhorse-Api-Request": jwt.encode({"iss": "gitlab-workhorse"}, secret, algorithm="HS256"),
        "Content-Type": "application/vnd.git-lfs+json",
    }

    def ask(method: str, path: str, body: bytes | None = None) -> int:
        with closing(HTTPConnection("127.0.0.1", port, timeout=GUARD)) as connection:
            connection.request(method, REPOSITORY + path, body, headers)
            return connection.getresponse().status

    return ask


def test_a_bucket_that_does_not_answer_stops_uploads_alone() -> None:
    """Three uploads for each thread of the process wait for it, or are told 503."""
    ann = {**COMPANY["users"][0], "personal_access_tokens": [{"name": "git", "token": TOKEN, "scopes": ["api"]}]}
    with socket.create_server(("127.0.0.1", 0), backlog=200) as silent:
        bucket = {
            "LFS_S3_BUCKET": "objects",
            "LFS_S3_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "LFS_S3_ACCESS_KEY": "key",
            "LFS_S3_SECRET_KEY": "secret",
            "LFS_S3_PATH_STYLE": "true",
        }
        with serving(workers=1, **bucket) as (service, load):
            service.seed({**COMPANY, "users": [ann]})
            ask = asker(service.port, service.directory)
            with (
                asking_on(3 * THREADS, lambda: ask("PUT", f"/gitlab-lfs/objects/{OID}/1000/authorize")) as uploads,
                asking_on(1, lambda: load.ask("allowed", PULL)[0]) as decisions,
                asking_on(1, lambda: ask("GET", "/info/refs?service=git-upload-pack")) as pulls,
                asking_on(1, lambda: ask("POST", "/info/lfs/objects/batch", BATCH)) as batches,
                asking_on(1, lambda: get(service.port, "/readyz")) as readyz,
            ):
                time.sleep(6)
            others: dict[str, Timed] = {"decisions": decisions, "pulls": pulls, "batches": batches, "readyz": readyz}
            load.tell("bucket silent", uploads=uploads, load=os.getloadavg()[0], **others)
            assert uploads.statuses == {503}
            for what, timed in others.items():
                assert timed.statuses == {200}, (what, str(timed))
                assert len(timed.answers) > 1, what
