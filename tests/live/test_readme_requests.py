"""What the README shows is what a newcomer sees: its requests, against a running service with the demo, character by character."""

import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.live.service import ROOT, Service, temporary_directory

pytestmark = [pytest.mark.live]
SHOWN = re.findall(r"```shell\n(curl.*?)```\n\n```json\n(.*?)\n```", (ROOT / "README.md").read_text(), re.DOTALL)


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


@pytest.mark.parametrize(("command", "output"), SHOWN)
def test_a_request_of_the_readme_is_answered_as_printed(demo: Service, command: str, output: str) -> None:
    token = demo.manage("shell_token").strip()
    typed = command.replace("$(.venv/bin/python manage.py shell_token)", token).replace("http://localhost:3001", demo.url)
    done = subprocess.run(["bash", "-c", typed.replace("curl ", "curl --silent ", 1)], capture_output=True, text=True, check=True)
    assert done.stdout == output


def test_there_are_requests_in_the_readme() -> None:
    assert len(SHOWN) >= 3
