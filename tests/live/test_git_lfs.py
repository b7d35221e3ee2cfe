"""Debian's git-lfs against the service: through nginx and a GitLab Workhorse's stand-in, and without them (contract: git-http 3 to 5, 10)."""

import base64
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from benchmarks.processes import peak_megabytes, tree
from repositories.lfs.s3_storage import object_key
from testing import workhorse
from tests import gitaly_server
from tests.live import hook_client
from tests.live.nginx import running_nginx
from tests.live.service import Service, temporary_directory
from tests.live.test_git_over_http import Site, company, token
from tests.repositories.lfs.conftest import oid_of
from tests.s3_server import Bucket, running_s3
from tests.servers import free_port, wait_until

pytestmark = [pytest.mark.live]
MIB = 1024 * 1024
LARGE = int(os.environ.get("LFS_MEGABYTES", "60")) * MIB
PROJECT = "gnuwget/wget2"
MISSING = "LFS objects are missing. Ensure LFS is properly set up or try a manual"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A service that takes uploads from Workhorse and, since both are tried here, from clients too."""
    directory = temporary_directory()
    (directory / "home").mkdir()
    secret = os.urandom(32)
    (directory / "workhorse_secret").write_text(base64.b64encode(secret).decode() + "\n")
    repositories, port = directory / "repositories", free_port()
    service = Service(directory, workers=1, variables={"LFS_EMBEDDED_UPLOADS": "true"})
    with (
        gitaly_server.running(repositories, token="gitaly's own token") as gitaly,
        running_nginx(directory, service.port, port) as nginx,
    ):
        service.environment["EXTERNAL_URL"] = nginx.outer
        gitaly.on_create = lambda path, gl_repository: hook_client.install(path, service.url, service.shell_secret, gl_repository)
        service.migrate()
        service.seed(company(gitaly.address))
        service.start()
        with workhorse.running(service.port, secret, repositories, listen=port) as front:
            running = Site(directory, service, front, gitaly, nginx.outer)
            clone = running.clone(PROJECT, "x", token("max"))
            running.commit(clone, "main")
            running.git("push", "-q", "origin", "main", cwd=clone)
            yield running
        service.stop()
    shutil.rmtree(directory, ignore_errors=True)


def storage(site: Site) -> Path:
    return site.directory / "lfs-objects"


def stored(site: Site, content: bytes) -> Path:
    oid = oid_of(content)
    return storage(site) / oid[:2] / oid[2:4] / oid[4:]


def waiting_uploads(site: Site) -> list[Path]:
    uploads = storage(site) / "tmp" / "uploads"
    return list(uploads.iterdir()) if uploads.is_dir() else []


def clone_with_lfs(site: Site, label: str = "api", path: str = PROJECT) -> Path:
    """A clone of somebody who has installed git-lfs."""
    clone = site.clone(path, "x", token(label))
    site.git("lfs", "install", "--local", cwd=clone)
    site.git("lfs", "pull", cwd=clone)
    return clone


def commit_large(site: Site, clone: Path, content: bytes, branch: str, name: str = "large.bin") -> None:
    """A branch with a file that git-lfs keeps."""
    site.git("checkout", "-q", "-B", branch, cwd=clone)
    site.git("lfs", "track", "*.bin", cwd=clone)
    (clone / name).write_bytes(content)
    site.git("add", ".", cwd=clone)
    site.git("commit", "-q", "-m", branch, cwd=clone)


def push(site: Site, clone: Path, branch: str, code: int = 0, *options: str) -> str:
    return site.git("push", *options, "origin", branch, cwd=clone, code=code)


@contextmanager
def in_constant_memory(service: Service, what: str) -> Iterator[None]:
    """Print how long the block takes, and hold the service's processes to memory that does not grow with the objects.

    Half of a large object more would be one that is kept in memory.
    """
    assert service.process is not None
    processes = tree(service.process.pid)
    before, began = sum(map(peak_megabytes, processes)), time.monotonic()
    yield
    grown = sum(map(peak_megabytes, processes)) - before
    sys.stdout.write(
        f"{what}: {LARGE // MIB} MiB in {time.monotonic() - began:.1f} s, memory of {len(processes)} processes {before:.0f} MiB "
        f"before and {grown:.1f} more at its peak (load {os.getloadavg()[0]:.0f})\n"
    )
    assert grown < LARGE / MIB / 2


def test_large_file_goes_up_and_down(site: Site) -> None:
    content = os.urandom(LARGE)
    clone = clone_with_lfs(site)
    commit_large(site, clone, b"small", "warm")
    push(site, clone, "warm")
    commit_large(site, clone, content, "large")
    site.asked()
    with in_constant_memory(site.service, "Up through Workhorse"):
        push(site, clone, "large")
    assert stored(site, content).read_bytes() == content
    assert waiting_uploads(site) == []
    uploads = [(kind, path.rpartition("/")[2], status) for kind, method, path, status in site.asked() if method == "PUT"]
    assert uploads == [("a", "authorize", 200), ("b", str(LARGE), 200)]
    other = site.directory / "reader"
    site.git("clone", "-q", "-b", "large", site.address(PROJECT, "x", token("reading")), str(other))
    site.git("lfs", "install", "--local", cwd=other)
    with in_constant_memory(site.service, "Down through Workhorse"):
        site.git("lfs", "pull", cwd=other)
    assert (other / "large.bin").read_bytes() == content


def test_object_that_is_there_is_not_uploaded_again(site: Site) -> None:
    content = os.urandom(MIB)
    clone = clone_with_lfs(site)
    commit_large(site, clone, content, "first")
    push(site, clone, "first")
    site.asked()
    commit_large(site, clone, content, "second", name="copy.bin")
    push(site, clone, "second")
    assert [method for _, method, _, _ in site.asked() if method == "PUT"] == []


def test_download_is_resumed(site: Site) -> None:
    content = os.urandom(4 * MIB)
    clone = clone_with_lfs(site)
    commit_large(site, clone, content, "resumed")
    push(site, clone, "resumed")
    other = site.clone(PROJECT, "x", token("reading"))
    site.git("lfs", "install", "--local", cwd=other)
    site.git("fetch", "-q", "origin", "resumed", cwd=other)
    incomplete = other / ".git" / "lfs" / "incomplete"
    incomplete.mkdir(parents=True)
    (incomplete / f"{oid_of(content)}.part").write_bytes(content[: 3 * MIB])
    printed = site.git("-c", "alias.traced=!GIT_TRACE=1 git lfs", "traced", "fetch", "origin", "FETCH_HEAD", cwd=other)
    oid = oid_of(content)
    assert f'server accepted resume download request: "{oid}" from byte {3 * MIB}' in printed
    assert (other / ".git" / "lfs" / "objects" / oid[:2] / oid[2:4] / oid).read_bytes() == content, printed


def send_half(url: str, content: bytes, has_begun: Callable[[], bool]) -> None:
    """Send half of an object in chunks, and go away when it has begun to arrive."""
    parts, half = urlsplit(url), content[: len(content) // 2]
    credentials = base64.b64encode(f"x:{token('api')}".encode()).decode()
    head = (
        f"PUT /{PROJECT}.git/gitlab-lfs/objects/{oid_of(content)}/{len(content)} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Authorization: Basic {credentials}\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as client:
        client.sendall(head.encode() + b"%x\r\n%s\r\n" % (len(half), half))
        wait_until(has_begun, "the first bytes")


@pytest.mark.parametrize("way", ["workhorse", "service"])
def test_interrupted_upload_leaves_nothing(site: Site, way: str) -> None:
    content = os.urandom(MIB)
    url = site.workhorse.url if way == "workhorse" else site.service.url
    send_half(url, content, lambda: any(path.stat().st_size for path in waiting_uploads(site)))
    wait_until(lambda: waiting_uploads(site) == [], "the end of the upload")
    assert not stored(site, content).exists()


def test_one_object_is_pushed_by_two_at_once(site: Site) -> None:
    content = os.urandom(4 * MIB)
    clones = [clone_with_lfs(site, label) for label in ("api", "max")]
    for number, clone in enumerate(clones):
        commit_large(site, clone, content, f"twin-{number}")
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda number: push(site, clones[number], f"twin-{number}"), range(2)))
    assert stored(site, content).read_bytes() == content
    assert waiting_uploads(site) == []


def test_two_people_lock_files(site: Site) -> None:
    ann, boss = clone_with_lfs(site), clone_with_lfs(site, "max")
    for clone in (ann, boss):
        site.git("config", "lfs.locksverify", "true", cwd=clone)
    site.git("lfs", "lock", "plan.bin", cwd=ann)
    assert "already locked" in site.git("lfs", "lock", "plan.bin", cwd=boss, code=2)
    assert "plan.bin\tann" in site.git("lfs", "locks", cwd=boss)
    commit_large(site, boss, os.urandom(1000), "locked", name="plan.bin")
    assert "Unable to push locked files" in push(site, boss, "locked", 1)
    assert "is locked by @ann" in site.git("lfs", "unlock", "plan.bin", cwd=boss, code=2)
    site.git("lfs", "unlock", "--force", "plan.bin", cwd=boss)
    push(site, boss, "locked")
    assert site.git("lfs", "locks", cwd=ann) == ""


def test_object_that_was_not_uploaded_is_missing_at_the_push(site: Site) -> None:
    clone = clone_with_lfs(site)
    commit_large(site, clone, os.urandom(1000), "present")
    push(site, clone, "present")  # from now on the project has LFS objects
    commit_large(site, clone, os.urandom(1000), "absent")
    assert MISSING in push(site, clone, "absent", 1, "--no-verify")
    push(site, clone, "absent")


def test_reader_uploads_nothing(site: Site) -> None:
    clone = clone_with_lfs(site, "reading")
    content = os.urandom(1000)
    commit_large(site, clone, content, "forbidden")
    site.git("lfs", "push", "origin", "forbidden", cwd=clone, code=2)
    assert not stored(site, content).exists()


def test_storage_limit_is_told_at_the_terminal(site: Site) -> None:
    clone = clone_with_lfs(site)
    content = os.urandom(2 * MIB)
    commit_large(site, clone, content, "over")
    site.service.seed({"groups": [{"path": "gnuwget", "storage_limit": MIB}]})
    try:
        assert "the namespace storage limit of 1 MiB has been reached" in push(site, clone, "over", 1)
        assert not stored(site, content).exists()
    finally:
        site.service.seed({"groups": [{"path": "gnuwget", "storage_limit": 0}]})
    push(site, clone, "over")


@pytest.fixture(scope="module")
def small(site: Site) -> Iterator[Site]:
    """The same repositories, with a service beside it to which clients of LFS talk themselves."""
    service = Service(site.directory, workers=1, variables={"LFS_EMBEDDED_UPLOADS": "true"})
    service.environment |= {
        "DATABASE_URL": site.service.environment["DATABASE_URL"],
        "EXTERNAL_URL": service.url,
        "SECRET_KEY": site.service.environment["SECRET_KEY"],
    }
    service.start()
    yield Site(site.directory, service, site.workhorse, site.gitaly, site.url, clones=100)
    service.stop()


def test_large_files_go_up_and_down_without_workhorse(small: Site) -> None:
    """More of them than the service moves at a time: git-lfs comes again for those that found no place."""
    contents = [os.urandom(LARGE), *(os.urandom(300_000) for _ in range(7))]
    clone = clone_with_lfs(small)
    address: Any = f"{small.service.url}/{PROJECT}.git/info/lfs".replace("://", f"://x:{token('api')}@")
    small.git("config", "lfs.url", address, cwd=clone)
    small.asked()
    for number, content in enumerate(contents):
        commit_large(small, clone, content, "direct", name=f"large-{number}.bin")
    with in_constant_memory(small.service, "Up without Workhorse"):
        small.git("lfs", "push", "origin", "direct", cwd=clone)
    assert [method for _, method, path, _ in small.asked() if "lfs" in path] == []
    assert [stored(small, content).read_bytes() == content for content in contents] == [True] * len(contents)
    assert waiting_uploads(small) == []
    shutil.rmtree(clone / ".git" / "lfs" / "objects")
    for path in clone.glob("large-*.bin"):
        path.unlink()
    with in_constant_memory(small.service, "Down without Workhorse"):
        small.git("checkout", "-q", ".", cwd=clone)
    assert [(clone / f"large-{number}.bin").read_bytes() == content for number, content in enumerate(contents)] == [True] * len(contents)


@dataclass
class Bucketed:
    """The same repositories, with a service beside it that keeps objects in a bucket, behind a Workhorse of its own."""

    site: Site
    bucket: Bucket


@pytest.fixture(scope="module", params=["direct", "proxied"])
def bucketed(site: Site, request: pytest.FixtureRequest) -> Iterator[Bucketed]:
    """Clients download from the bucket, or Workhorse does."""
    port = free_port()
    secret = base64.b64decode((site.directory / "workhorse_secret").read_text())
    with running_s3() as url:
        bucket = Bucket(url, f"lfs-{request.param}")
        service = Service(site.directory, workers=1, variables=bucket.variables(is_direct=request.param == "direct"))
        service.environment |= {
            "DATABASE_URL": site.service.environment["DATABASE_URL"],
            "EXTERNAL_URL": f"http://127.0.0.1:{port}",
            "SECRET_KEY": site.service.environment["SECRET_KEY"],
        }
        service.start()
        with workhorse.running(service.port, secret, site.directory / "repositories", listen=port) as front:
            clones = 200 if request.param == "direct" else 300
            yield Bucketed(Site(site.directory, service, front, site.gitaly, front.url, clones=clones), bucket)
        service.stop()


def test_large_file_goes_up_to_a_bucket_and_down(bucketed: Bucketed) -> None:
    """In three parts; an interrupted download is resumed."""
    site, bucket, content = bucketed.site, bucketed.bucket, os.urandom(12 * MIB)
    clone, oid = clone_with_lfs(site), oid_of(content)
    branch = f"bucket-{oid[:8]}"
    commit_large(site, clone, content, branch)
    push(site, clone, branch)
    assert bucket.content(object_key(oid)) == content
    assert (bucket.keys(), bucket.unfinished()) == ([object_key(oid)], [])
    other = site.clone(PROJECT, "x", token("reading"))
    site.git("lfs", "install", "--local", cwd=other)
    site.git("fetch", "-q", "origin", branch, cwd=other)
    incomplete = other / ".git" / "lfs" / "incomplete"
    incomplete.mkdir(parents=True)
    (incomplete / f"{oid}.part").write_bytes(content[: 3 * MIB])
    printed = site.git("-c", "alias.traced=!GIT_TRACE=1 git lfs", "traced", "fetch", "origin", "FETCH_HEAD", cwd=other)
    assert f'server accepted resume download request: "{oid}" from byte {3 * MIB}' in printed
    assert (other / ".git" / "lfs" / "objects" / oid[:2] / oid[2:4] / oid).read_bytes() == content, printed


def test_interrupted_upload_leaves_nothing_in_a_bucket(bucketed: Bucketed) -> None:
    before = bucketed.bucket.keys()
    content = os.urandom(12 * MIB)
    send_half(bucketed.site.workhorse.url, content, lambda: bucketed.bucket.unfinished() != [])
    wait_until(lambda: bucketed.bucket.unfinished() == [], "the end of the upload")
    assert bucketed.bucket.keys() == before
