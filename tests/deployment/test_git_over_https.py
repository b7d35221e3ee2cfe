"""docs/git-over-https.md, executed on the machine that docs/deployment/one-machine-systemd.md makes, with a stand-in for GitLab Workhorse."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.deployment.pages import execute, page, read_blocks
from tests.deployment.scratch_root import ROOT, ScratchRoot
from tests.deployment.stand_ins import PROGRAM

pytestmark = pytest.mark.deployment
PAGE = ROOT / "docs" / "git-over-https.md"
# The stand-in runs git in the repositories themselves, which only Gitaly's user may read.
DROP_IN = "[Service]\nUser=git\nGroup=git\nSupplementaryGroups=control-plane\nReadWritePaths=/var/lib/gitaly\n"
PROGRAMS = (("gitaly", "gitaly"), ("gitlab-shell", "gitlab-sshd"), ("gitlab-workhorse", "gitlab-workhorse"))


@pytest.fixture(scope="module")
def machine(wheels: Path, source: Path) -> Iterator[ScratchRoot]:
    """A machine on which both pages were typed."""
    with ExitStack() as stack:
        scratch = stack.enter_context(ScratchRoot(wheels=wheels, source=source, systemd=True))
        for directory, name in PROGRAMS:
            scratch.write(f"/opt/{directory}/bin/{name}", PROGRAM.format(name=name))
            scratch.run(f"chmod 0755 /opt/{directory}/bin/{name}")
        scratch.write("/etc/systemd/system/gitlab-workhorse.service.d/stand-in.conf", DROP_IN)
        terminal = stack.enter_context(scratch.terminal())
        execute(page("one-machine-systemd"), {"": terminal})
        try:
            execute(read_blocks(PAGE), {"": terminal})
        except AssertionError as error:
            log = scratch.run("journalctl --no-pager --lines 60 --unit gitlab-workhorse --unit control-plane --unit nginx")
            raise AssertionError(f"{error}\n{log}") from error
        yield scratch


def test_the_clone_is_there(machine: ScratchRoot) -> None:
    assert "acme/rockets.git" in machine.run("git -C /root/rockets remote --verbose")


def test_the_clone_went_through_workhorse(machine: ScratchRoot) -> None:
    findings = machine.run("control-plane-manage doctor --url http://127.0.0.1:3001")
    assert "a Git command 0 minutes ago" in findings


def test_no_secret_is_read_by_others(machine: ScratchRoot) -> None:
    assert machine.run("stat -c '%a %G' /etc/control-plane/gitlab_workhorse_secret") == "640 control-plane\n"


def test_the_unit_is_as_systemd_wants_it(machine: ScratchRoot) -> None:
    said = machine.run("systemd-analyze verify --recursive-errors=no /etc/systemd/system/gitlab-workhorse.service 2>&1")
    assert not said
