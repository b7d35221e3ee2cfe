"""docs/kubernetes-agent.md, executed on the machine that docs/deployment/one-machine-systemd.md makes, with a stand-in for kas."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.deployment.pages import BESIDE, execute, page, read_blocks
from tests.deployment.scratch_root import ScratchRoot
from tests.deployment.stand_ins import PROGRAM

pytestmark = pytest.mark.deployment
PROGRAMS = (("gitaly", "gitaly"), ("gitlab-shell", "gitlab-sshd"), ("gitlab-kas", "kas"))


@pytest.fixture(scope="module")
def machine(wheels: Path, source: Path) -> Iterator[ScratchRoot]:
    """A machine on which both pages were typed."""
    with ExitStack() as stack:
        scratch = stack.enter_context(ScratchRoot(wheels=wheels, source=source, systemd=True))
        for directory, name in PROGRAMS:
            scratch.write(f"/opt/{directory}/bin/{name}", PROGRAM.format(name=name))
            scratch.run(f"chmod 0755 /opt/{directory}/bin/{name}")
        terminal = stack.enter_context(scratch.terminal())
        execute(page("one-machine-systemd"), {"": terminal})
        try:
            execute(read_blocks(BESIDE), {"": terminal})
        except AssertionError as error:
            log = scratch.run("journalctl --no-pager --lines 60 --unit gitlab-kas --unit control-plane")
            raise AssertionError(f"{error}\n{log}") from error
        yield scratch


def test_kas_is_told_of_a_push(machine: ScratchRoot) -> None:
    machine.run(
        'curl --silent --fail --header "Gitlab-Shell-Api-Request: $(control-plane-manage shell_token)"'
        " --data 'identifier=key-1&gl_repository=project-1' --data-urlencode"
        f" 'changes={'0' * 40} {'a' * 40} refs/heads/main' http://127.0.0.1:3001/api/v4/internal/post_receive"
    )
    told = "journalctl --unit control-plane-worker@1 | grep --quiet 'Kas was told of a push'"
    machine.run(f'timeout 300 bash -c "until {told}; do sleep 1; done"')


def test_no_secret_is_read_by_others(machine: ScratchRoot) -> None:
    names = "gitlab_secret api_secret private_api_secret key.pem"
    modes = machine.run(f"cd /etc/gitlab-kas && stat -c '%a' {names}").split()
    assert all(mode in {"640", "600"} for mode in modes), modes


def test_the_unit_is_as_systemd_wants_it(machine: ScratchRoot) -> None:
    assert not machine.run("systemd-analyze verify --recursive-errors=no /etc/systemd/system/gitlab-kas.service 2>&1")
