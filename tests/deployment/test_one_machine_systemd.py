"""docs/deployment/one-machine-systemd.md, executed under a real systemd, and what the units of deploy/ demand of it."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.deployment.pages import execute, page
from tests.deployment.scratch_root import ROOT, ScratchRoot, Terminal
from tests.deployment.stand_ins import PROGRAM
from tests.servers import wait_until

pytestmark = pytest.mark.deployment
UNITS = sorted((ROOT / "deploy").rglob("*.service"))
UNITS_OF_THE_PAGE = [
    path
    for path in (ROOT / "deploy").rglob("*")
    if path.suffix in {".service", ".socket", ".timer"} and path.parent.name not in {"gitlab-kas", "gitlab-workhorse"}  # pages of their own
]
SERVICES = ("control-plane.service", "control-plane-worker@1.service", "gitaly.service", "gitlab-sshd.service")


@pytest.fixture(scope="module")
def machine(wheels: Path, source: Path) -> Iterator[ScratchRoot]:
    """A machine on which the page was typed, with stand-ins for Gitaly and gitlab-sshd."""
    with ExitStack() as stack:
        scratch = stack.enter_context(ScratchRoot(wheels=wheels, source=source, systemd=True))
        for directory, name in (("gitaly", "gitaly"), ("gitlab-shell", "gitlab-sshd")):
            scratch.write(f"/opt/{directory}/bin/{name}", PROGRAM.format(name=name))
            scratch.run(f"chmod 0755 /opt/{directory}/bin/{name}")
        terminal = stack.enter_context(scratch.terminal())
        try:
            type_page(terminal)
        except AssertionError as error:
            units = scratch.run("journalctl --no-pager --lines 60 --unit 'control-plane*' --unit gitaly --unit gitlab-sshd --unit nginx")
            raise AssertionError(f"{error}\n{units}") from error
        # Here, since a later test has the service restarted.
        assert scratch.run("systemctl show --property NRestarts --value control-plane.service") == "0\n"
        yield scratch


def type_page(terminal: Terminal) -> None:
    execute(page("one-machine-systemd"), {"": terminal})


def test_all_of_it_runs(machine: ScratchRoot) -> None:
    machine.run(f"systemctl is-active {' '.join(SERVICES)} control-plane.socket control-plane-clean-up.timer")
    machine.run("systemctl start control-plane-clean-up.service")


def test_both_addresses_are_served_and_the_log_names_both(machine: ScratchRoot) -> None:
    machine.run("curl -sf http://127.0.0.1:3001/metrics | grep internal_api")
    machine.run("curl -sf --unix-socket /run/control-plane/gunicorn.sock http://unix/readyz")
    assert re.search(
        r"Serving on unix:/run/control-plane/gunicorn.sock, http://127.0.0.1:3001 ", machine.run("journalctl --unit control-plane")
    )


def test_doctor_finds_nothing_broken(machine: ScratchRoot) -> None:
    findings = machine.run("control-plane-manage doctor --url http://127.0.0.1:3001")
    assert "storage default" in findings


def test_the_administrator_can_sign_in(machine: ScratchRoot) -> None:
    machine.run(
        "cd /tmp && at=https://git.example.com/admin/login/ ; c='curl -sk --resolve git.example.com:443:127.0.0.1 --cookie-jar j --cookie j';"
        'token=$($c $at | sed -n \'s/.*csrfmiddlewaretoken" value="\\([^"]*\\).*/\\1/p\' | head -1);'
        "$c --referer $at --output /dev/null --write-out '%{http_code}' --data-urlencode csrfmiddlewaretoken=$token"
        " --data-urlencode username=root --data-urlencode password=$(cat /root/first-password) $at | grep -x 302"
    )


def test_a_reload_and_a_restart_refuse_nobody(machine: ScratchRoot) -> None:
    """Connections that come while no gunicorn runs wait in systemd's sockets."""
    machine.run(
        "(for i in 1 2 3 4 5 6 7 8 9 10; do curl -sf --max-time 120 http://127.0.0.1:3001/livez || echo refused; sleep 0.5; done > /tmp/asked) & "
        "sleep 1; systemctl reload control-plane; sleep 1; systemctl restart control-plane; wait; ! grep refused /tmp/asked"
    )


def test_the_service_comes_back_however_long_the_database_is_away(machine: ScratchRoot) -> None:
    machine.run("systemctl stop control-plane; systemctl stop postgresql@15-main 2>/dev/null || systemctl stop 'postgresql@*'")
    machine.run("systemctl start --no-block control-plane")
    wait_until(lambda: int(machine.run("systemctl show --property NRestarts --value control-plane")) >= 7, "seven failed starts")
    machine.run("systemctl start postgresql")
    wait_until(lambda: machine.answers("curl -sf http://127.0.0.1:3001/readyz"), "the service")


def test_secrets_are_read_by_those_alone_who_need_them(machine: ScratchRoot) -> None:
    machine.run("! runuser -u nobody -- cat /etc/control-plane/secret_key")
    machine.run("! runuser -u git -- cat /etc/control-plane/gitlab_shell_secret")
    assert machine.run("stat -c %a /etc/control-plane/secret_key /etc/control-plane/gitaly_token") == "640\n640\n"


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_is_exposed_little(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=30", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert float(re.search(r"exposure level for .*: ([0-9.]+)", done.stdout)[1]) < 3.0  # type: ignore[index]  # or the test fails


def test_the_units_are_as_systemd_wants_them(machine: ScratchRoot) -> None:
    names = [path.name for path in UNITS_OF_THE_PAGE]
    said = machine.run(f"systemd-analyze verify --recursive-errors=no {' '.join(f'/etc/systemd/system/{name}' for name in names)} 2>&1")
    assert not said
