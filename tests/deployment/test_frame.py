"""The machine that the deployment's tests make for themselves, and the runner of pages."""

from pathlib import Path

import pytest

from tests.deployment.conftest import Maker
from tests.deployment.pages import execute, read_blocks
from tests.deployment.scratch_root import ScratchRoot

pytestmark = pytest.mark.deployment
PAGE = """
```shell
cd /opt
NAME=value
```

<!-- file: /etc/example/file -->
```ini
[Unit]
```

<!-- not run here: there is no such program; stood in for by nothing -->
```shell
no-such-program
```

```shell
echo $PWD $NAME
cat /etc/example/file
```

```text
/opt ...
[Unit]
```

<!-- on: other -->
```shell
test ! -e /etc/example/file
```
"""


def written(directory: Path, text: str) -> Path:
    path = directory / "example.md"
    path.write_text(text)
    return path


def test_a_page_is_executed_in_order_and_on_several_machines(scratch: ScratchRoot, scratch_roots: Maker, tmp_path: Path) -> None:
    other = scratch_roots(network=scratch)
    with scratch.terminal() as here, other.terminal() as there:
        execute(read_blocks(written(tmp_path, PAGE)), {"": here, "other": there})
    assert not Path("/etc/example").exists()


@pytest.mark.parametrize("commands", ["false", "echo other", "echo $UNSET", "exit 1"])
def test_a_command_that_fails_or_prints_something_else_fails(scratch: ScratchRoot, tmp_path: Path, commands: str) -> None:
    path = written(tmp_path, f"```shell\n{commands}\n```\n\n```text\nthis\n```\n")
    with scratch.terminal() as terminal, pytest.raises(AssertionError, match=r"example\.md:1"):
        execute(read_blocks(path), {"": terminal})


def test_machines_have_processes_and_a_network_of_their_own(scratch: ScratchRoot, scratch_roots: Maker) -> None:
    near, far = scratch_roots(network=scratch), scratch_roots()
    scratch.run("setsid python3 -m http.server --bind 127.0.0.1 8000 > /dev/null 2>&1 & until curl -sf 127.0.0.1:8000; do sleep 0.1; done")
    assert "http.server" in scratch.run("cat /proc/*/cmdline | tr '\\0' ' '")
    assert "http.server" not in near.run("cat /proc/*/cmdline 2>/dev/null | tr '\\0' ' ' | sed s/sed.*//")
    near.run("curl -sf 127.0.0.1:8000")
    far.run("curl -sf 127.0.0.1:8000", code=7)


def test_units_run_as_they_are_written(scratch: ScratchRoot) -> None:
    scratch.run("systemctl start redis-server")
    assert scratch.run("redis-cli ping") == "PONG\n"
    assert "Started redis-server.service" in scratch.run("journalctl --unit redis-server")
    (identity,) = scratch.run("grep ^NoNewPrivs /proc/$(pgrep redis-server)/status").splitlines()
    assert identity.split() == ["NoNewPrivs:", "1"]


def test_the_service_is_installed(installed: ScratchRoot) -> None:
    assert "Django" in installed.run("/opt/control-plane/.venv/bin/python -m pip list")
    installed.run("/opt/control-plane/.venv/bin/python /opt/control-plane/manage.py check")
