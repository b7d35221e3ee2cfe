"""docs/deployment/backup-and-restore.md, typed on a machine with PostgreSQL and on one with SQLite: what was there is there again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deployment.pages import execute, page
from tests.deployment.scratch_root import ScratchRoot, Terminal

pytestmark = pytest.mark.deployment
INSTALLED = """
useradd --system --home-dir /var/lib/control-plane --shell /usr/sbin/nologin control-plane
install -m 0755 deploy/control-plane-manage /usr/local/bin/control-plane-manage
"""
STEPS = {"The database", "Settings and secrets", "The service"}
ON_SQLITE = "sed -i 's|^DATABASE_URL=.*|DATABASE_URL=sqlite:////var/lib/control-plane/db.sqlite3|' deploy/environment.example\n"


def prepare(terminal: Terminal, *, sqlite: bool = False) -> None:
    """Type the parts of one-machine-systemd.md that set the service up; its code is there."""
    terminal.type("cd /opt/control-plane\n" + INSTALLED + (ON_SQLITE if sqlite else ""))
    execute((block for block in page("one-machine-systemd") if block.heading in STEPS), {"": terminal})
    terminal.type("control-plane-manage create_user ann --email ann@example.com > /dev/null\n")


def users(machine: ScratchRoot) -> set[str]:
    """The users of a machine's service."""
    dumped = machine.run("control-plane-manage dump_seed 2> /dev/null")
    return {line.split(": ")[1] for line in dumped.splitlines() if line.startswith("  username: ")}


def test_the_page_is_executed(scratch_roots: Callable[..., ScratchRoot], installed_tree: Path) -> None:
    machines = {name: scratch_roots(systemd=True, trees={"/opt/control-plane": installed_tree}) for name in ("", "sqlite")}
    with machines[""].terminal() as postgresql, machines["sqlite"].terminal() as sqlite:
        terminals = {"": postgresql, "sqlite": sqlite}
        prepare(postgresql)
        prepare(sqlite, sqlite=True)
        for block in page("backup-and-restore"):
            machine = machines[block.value if block.mark == "on" else ""]
            if block.text.startswith("systemctl stop"):  # a restore: what came after the backup goes
                machine.run("control-plane-manage create_user late --email late@example.com")
                assert users(machine) == {"ann", "late"}
            execute([block], terminals)
        for machine in machines.values():
            assert users(machine) == {"ann"}
            machine.run("curl --silent --fail http://127.0.0.1:3001/readyz")
            assert machine.run("stat -c %a /var/backups/control-plane") == "700\n"
        assert machines["sqlite"].run("stat -c %a /var/backups/control-plane/database.sqlite3") == "600\n"
        assert machines[""].run("stat -c %a /root/control-plane-secrets.tar.gz /root/state.yaml") == "600\n600\n"
