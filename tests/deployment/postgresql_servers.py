"""PostgreSQL as fleets run it: with a standby that can be promoted, and behind PgBouncer."""

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.live.service import ROOT
from tests.servers import START_SECONDS, MissingProgramsError, PostgreSQL, answers, connected, free_port, wait_until

PROGRAM = "usr/sbin/pgbouncer"


class Standby(PostgreSQL):
    """A copy of another cluster that follows it, as `pg_basebackup --write-recovery-conf` makes one."""

    def __init__(self, primary: PostgreSQL) -> None:
        self.primary = primary
        super().__init__(fsync=primary.fsync, max_connections=primary.max_connections)

    def _make_data(self, *, empty: bool) -> None:
        source = ["-h", "127.0.0.1", "-p", str(self.primary.port), "-U", "postgres"]
        self._run(
            "pg_basebackup", *source, "-D", str(self.directory / "data"), "--write-recovery-conf", "--checkpoint=fast", "-X", "stream"
        )

    def promote(self) -> None:
        """Make it the primary, as an administrator or Patroni does."""
        self._run("pg_ctl", "promote", "-D", str(self.directory / "data"), "-w", "-t", str(START_SECONDS))

    def has_caught_up(self) -> bool:
        """Whether it has applied all that the primary has written."""
        with connected(self.primary.url) as primary, connected(self.url) as standby:
            written = primary.execute("SELECT pg_current_wal_lsn()").fetchone()
            row = standby.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", written).fetchone()
            return row is not None and bool(row[0])


@contextmanager
def stopped(server: PostgreSQL) -> Iterator[None]:
    """All processes of a server get SIGSTOP, as on a machine that hangs.

    The postmaster first, which then neither starts nor reaps a child; a child that has ended by
    itself in that moment is none to stop.
    """
    assert server.process is not None
    postmaster = server.process.pid
    send([postmaster], signal.SIGSTOP)
    wait_until(lambda: state_of(postmaster) == "T", "the postmaster to stop")
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    processes = [postmaster, *map(int, children)]
    send(processes, signal.SIGSTOP)
    try:
        yield
    finally:
        send(processes, signal.SIGCONT)


def state_of(process: int) -> str:
    """The letter of a process's state, as proc(5) has it; the name before it may have brackets."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def send(processes: list[int], sent: signal.Signals) -> None:
    """A signal to all of them that are still there."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, sent)


class PgBouncer:
    """PgBouncer with the file that is shipped; only addresses and file names are others, and what a test says.

    `root` is where it is installed, for one that is run with chroot.
    """

    def __init__(self, cluster: PostgreSQL, changes: dict[str, str], root: Path = Path("/")) -> None:
        if not (root / PROGRAM).exists():
            raise MissingProgramsError("PgBouncer is not installed (Debian: apt-get install pgbouncer).")
        self.root, self.cluster, self.port = root, cluster, free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="pgbouncer-", dir=root / "tmp"))
        self.inside = Path("/") / self.directory.relative_to(root)
        text = (ROOT / "deploy" / "pgbouncer.ini").read_text()
        ours = {
            "control_plane = host=10.0.0.31 port=5432 dbname=control_plane": f"* = host=127.0.0.1 port={cluster.port}",
            "listen_port = 6432": f"listen_port = {self.port}",
            "/etc/pgbouncer/userlist.txt": str(self.inside / "userlist.txt"),
        }
        for shipped, other in (ours | changes).items():
            assert text.count(shipped) == 1, shipped
            text = text.replace(shipped, other)
        (self.directory / "userlist.txt").write_text('"control_plane" "secret"\n')
        (self.directory / "pgbouncer.ini").write_text(f"{text}\nunix_socket_dir = {self.inside}\n")
        if os.geteuid() == 0:
            shutil.chown(self.directory, cluster.user)
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str) -> list[str]:
        """Return what runs the program, as the cluster's user: it refuses to run as root."""
        command = [f"/{PROGRAM}", *arguments]
        if os.geteuid() != 0:
            return command
        user = pwd.getpwnam(self.cluster.user)
        return ["chroot", f"--userspec={user.pw_uid}:{user.pw_gid}", "--groups=", str(self.root), *command]

    def version(self) -> tuple[int, ...]:
        """Which one it is."""
        told = subprocess.run(self.command("--version"), capture_output=True, text=True, check=True)
        found = re.search(r"PgBouncer (\d+)\.(\d+)", told.stdout)
        assert found is not None
        return tuple(map(int, found.groups()))

    def start(self) -> None:
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(str(self.inside / "pgbouncer.ini")), stdout=log, stderr=log, env={"PATH": "/usr/sbin:/usr/bin"}
            )
        wait_until(lambda: answers(self.port), "PgBouncer")

    def url(self, database: str) -> str:
        """For DATABASE_URL."""
        return f"postgres://control_plane:secret@127.0.0.1:{self.port}/{database}"

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
