"""What the README shows is what a newcomer sees: its requests, against a running service with the demo, character by character."""

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.deployment.pages import Block, execute, fenced_blocks
from tests.live.service import ROOT, Service, temporary_directory

pytestmark = [pytest.mark.live]
SHOWN = [block for block in fenced_blocks(ROOT / "README.md") if block.text.startswith("curl") and block.output is not None]


class Shell:
    """A terminal of somebody who has typed `make run` in another one; the service's port and token are this run's."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._token = service.manage("shell_token").strip()

    def type(self, commands: str, where: str = "") -> str:
        typed = commands.replace("$(.venv/bin/python manage.py shell_token)", self._token).replace(
            "http://localhost:3001", self._service.url
        )
        silent = typed.replace("curl ", "curl --silent ", 1)
        done = subprocess.run(["bash", "-euc", silent], capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, f"{where}: {done.stderr}"
        return done.stdout

    def write(self, path: str, text: str) -> None:
        raise NotImplementedError(path)


@pytest.fixture(scope="module")
def demo() -> Iterator[Service]:
    """The service as `make run` starts it."""
    directory = temporary_directory()
    running = Service(directory)
    running.start()
    running.manage("seed", str(ROOT / "demo" / "seed.yaml"))
    yield running
    running.stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: str(block.line))
def test_a_request_of_the_readme_is_answered_as_printed(demo: Service, block: Block) -> None:
    assert "..." not in str(block.output), "the README's answers are whole"
    execute([block], {"": Shell(demo)})


def test_there_are_requests_in_the_readme() -> None:
    assert len(SHOWN) >= 3
