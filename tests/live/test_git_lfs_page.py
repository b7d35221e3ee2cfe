"""What docs/git-lfs.md shows a newcomer is typed as it stands: against the service as `make run` starts it, with the real git-lfs."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment.pages import execute, fenced_blocks
from tests.live.service import ROOT, Service, temporary_directory

pytestmark = [pytest.mark.live]
SIZE = 20_000_000
TRIED = [block for block in fenced_blocks(ROOT / "docs" / "git-lfs.md") if block.heading == "Try it"]


class Terminal:
    """A terminal of somebody who has typed `make run` in another one; the port, the home and what lies in /tmp are this run's."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def type(self, commands: str, where: str = "") -> str:
        directory = self._service.directory
        typed = commands.replace("localhost:3001", self._service.url.removeprefix("http://")).replace("/tmp/", f"{directory}/")  # noqa: S108  not ours
        people = {f"GIT_{role}_{what}": f"ann@{role.lower()}.example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment = {**self._service.environment, **people, "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(["bash", "-euc", typed], capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
        assert done.returncode == 0, f"{where}: {done.stdout}{done.stderr}"
        return done.stdout

    def write(self, path: str, text: str) -> None:
        raise NotImplementedError(path)


@pytest.fixture
def demo() -> Iterator[Service]:
    """The service with the demo in it, which takes uploads itself."""
    running = Service(temporary_directory(), variables={"LFS_EMBEDDED_UPLOADS": "true"})
    running.start()
    running.manage("seed", str(ROOT / "demo" / "seed.yaml"))
    yield running
    running.stop()


def large_files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and path.stat().st_size == SIZE]


def test_large_file_of_the_page_goes_up_and_comes_back(demo: Service) -> None:
    assert len(TRIED) == 1
    execute(TRIED, {"": Terminal(demo)})
    (stored,) = large_files(demo.directory / "lfs-objects")
    assert (demo.directory / "work" / "large.bin").read_bytes() == stored.read_bytes()
