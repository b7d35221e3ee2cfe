"""A machine of its own for a test, as far as the kernel makes one without another kernel.

Files: an overlay above this machine's root, so that every path can be read and written, and nothing outside changes. Processes: a
PID namespace; all of them end with the machine. Network: loopback only, so that every port is free. systemd, if one likes. Needs root.
"""

import contextlib
import itertools
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from tests.servers import wait_until

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "https://git.example.com/control-plane.git"
"""What the pages call this repository."""
COMMAND_SECONDS = 1800
"""Seconds after which a command has hung: a busy machine takes minutes for an installation."""
ENTER = """
set -eu
mount --make-rprivate /
mkdir -p "$BASE/cgroup"
mount -t cgroup2 cgroup2 "$BASE/cgroup"
mkdir "$BASE/cgroup/$GROUP"
echo $$ > "$BASE/cgroup/$GROUP/cgroup.procs"
umount "$BASE/cgroup"
exec unshare --cgroup --pid --ipc --uts --fork --kill-child $NET bash -c "$START"
"""
"""Makes a control group of its own, since systemd manages those below its own, and then the machine's processes."""
START = r"""
set -eu
mkdir -p "$BASE/upper" "$BASE/work" "$BASE/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$BASE/upper,workdir=$BASE/work" "$BASE/root"
cd "$BASE/root"
mkdir -p source wheels
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --bind proc/sys proc/sys
mount -o remount,ro,bind proc/sys
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/tty c 5 0
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs run
mount --bind -o ro "$SOURCE" source
[ -z "$WHEELS" ] || mount --bind -o ro "$WHEELS" wheels
for tree in $TREES; do
  at=${tree%%:*} from=${tree#*:} name=$(echo "${tree%%:*}" | tr / -)
  mkdir -p ".$at" "$BASE/upper$name" "$BASE/work$name"
  mount -t overlay overlay -o "lowerdir=$from,upperdir=$BASE/upper$name,workdir=$BASE/work$name" ".$at"
done
[ -z "$NET" ] || ip link set lo up
mkdir -p run/lock
rm -rf etc/systemd/system
mkdir -p etc/systemd/system
# What would change this machine's kernel, or waits for devices that there are not.
for unit in sysctl.service modules-load.service binfmt.service remount-fs.service tmpfiles-setup-dev.service \
    sysusers.service update-utmp.service journal-flush.service random-seed.service hwdb-update.service \
    udevd.service udev-trigger.service; do
  ln -s /dev/null "etc/systemd/system/systemd-$unit"
done
for unit in sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount dev-mqueue.mount sys-fs-fuse-connections.mount \
    proc-sys-fs-binfmt_misc.automount kmod-static-nodes.service ldconfig.service; do
  ln -s /dev/null "etc/systemd/system/$unit"
done
printf '[Unit]\nDescription=This machine\n' > etc/systemd/system/scratch.target
# Not chroot: below one nobody may make user namespaces, which units' PrivateUsers= does.
mkdir -p former
pivot_root . former
cd /
umount -l former
rmdir former
echo ready
[ -z "$SYSTEMD" ] || exec env -i container=scratch PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=scratch.target \
  --log-target=journal --show-status=false
exec sleep infinity
"""


class ScratchRoot:
    """A machine with this machine's programs; use as a context manager.

    `trees` are directories that appear under other names, writable, without being changed themselves.
    `wheels` is where pip finds packages, `source` the repository that is /source here and that https://git.example.com/control-plane.git
    is cloned from. `network` is the machine whose network this one shares. With `systemd` it is systemd that runs the machine, with no
    unit started but journald: `systemctl` and `journalctl` work.
    """

    def __init__(
        self,
        *,
        trees: Mapping[str, Path] | None = None,
        wheels: Path | None = None,
        source: Path = ROOT,
        network: "ScratchRoot | None" = None,
        systemd: bool = False,
    ) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="scratch-"))
        self.base.chmod(0o755)
        self.trees = trees or {}
        self.wheels = wheels
        self.source = source
        self.network = network
        self.systemd = systemd
        self.holder: subprocess.Popen[str] | None = None
        self.pid = 0

    @property
    def upper(self) -> Path:
        """What this machine's files differ in from those below."""
        return self.base / "upper"

    def __enter__(self) -> Self:
        if os.geteuid() != 0:
            raise PermissionError("The tests of the deployment need root: they make machines of their own (mount, network).")
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        namespaces = ["unshare", "--mount"]
        if self.network is not None:
            namespaces = ["nsenter", "--target", str(self.network.pid), "--net", *namespaces]
        environment = {
            "PATH": os.environ["PATH"],
            "BASE": str(self.base),
            "TREES": " ".join(f"{name}:{directory}" for name, directory in self.trees.items()),
            "SOURCE": str(self.source),
            "WHEELS": str(self.wheels or ""),
            "NET": "" if self.network else "--net",
            "GROUP": self.base.name,
            "SYSTEMD": "yes" if self.systemd else "",
            "START": START,
        }
        self.holder = subprocess.Popen([*namespaces, "bash", "-c", ENTER], env=environment, stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout is not None
        if self.holder.stdout.readline() != "ready\n":
            raise RuntimeError("No machine could be made for the test: see above. Mounting overlays needs CAP_SYS_ADMIN.")
        children = Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text().split()
        self.pid = int(children[0])
        first = "systemd\n" if self.systemd else "sleep\n"
        wait_until(lambda: Path(f"/proc/{self.pid}/comm").read_text() == first, "the machine")
        if self.systemd:
            wait_until(lambda: self.answers("systemctl is-active --quiet scratch.target"), "systemd")
        self.run("git config --system --add safe.directory '*'")
        self.run(f"git config --system url./source.insteadOf {REPOSITORY}")

    def __exit__(self, *_: object) -> None:
        if self.holder is not None:
            self.holder.kill()
            self.holder.wait(COMMAND_SECONDS)
            if self.holder.stdout is not None:
                self.holder.stdout.close()
        wait_until(self._has_left_its_control_group, "the end of the machine")
        shutil.rmtree(self.base, ignore_errors=True)

    def _has_left_its_control_group(self) -> bool:
        """Remove the control group, which works once the last process has gone."""
        groups = f'"{self.base}/cgroup"'
        script = (
            f"mount -t cgroup2 cgroup2 {groups} && cd {groups} && [ ! -e {self.base.name} ] || find {self.base.name} -depth -type d -delete"
        )
        return subprocess.run(["unshare", "--mount", "sh", "-c", script], check=False, capture_output=True).returncode == 0

    def command(self, *arguments: str) -> list[str]:
        """Return the arguments that start a program on this machine, with a fresh environment as that of a login."""
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--net", "--root", "--wdns=/root"]
        variables = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": "/wheels",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
        }
        return [*enter, "env", "-i", *(f"{name}={value}" for name, value in variables.items()), *arguments]

    def run(self, command: str, *, code: int = 0, text: str | None = None) -> str:
        """Return what a bash command prints on this machine; AssertionError if it does not end with `code`."""
        typed = self.command("bash", "-euo", "pipefail", "-c", command)
        done = subprocess.run(typed, input=text or "", capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS)
        assert done.returncode == code, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def answers(self, command: str) -> bool:
        """Whether a bash command succeeds on this machine."""
        typed = self.command("bash", "-euo", "pipefail", "-c", command)
        return subprocess.run(typed, capture_output=True, check=False, timeout=COMMAND_SECONDS).returncode == 0

    def start(self, command: str, log: Path) -> subprocess.Popen[bytes]:
        """Start a bash command on this machine that goes on until the machine ends, or is terminated."""
        with log.open("ab") as output:
            return subprocess.Popen(self.command("bash", "-euc", command), stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def write(self, path: str, text: str) -> None:
        """Write a file of this machine; its directory is made."""
        self.run(f"mkdir -p {shlex.quote(str(Path(path).parent))} && cat > {shlex.quote(path)}", text=text)

    @contextlib.contextmanager
    def terminal(self) -> Iterator["Terminal"]:
        """A bash as one types into it."""
        terminal = Terminal(self)
        try:
            yield terminal
        finally:
            terminal.close()


class Terminal:
    """One bash of a machine: its directory and variables stay between commands."""

    def __init__(self, machine: ScratchRoot) -> None:
        self.machine = machine
        self.directory = machine.run("mktemp -d /run/terminal-XXXXXX").strip()
        self.numbers = itertools.count(1)
        self.bash = subprocess.Popen(
            machine.command("bash"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
        )

    def write(self, path: str, text: str) -> None:
        """Write a file of the machine, as one does with an editor."""
        self.machine.write(path, text)

    def type(self, commands: str, where: str = "") -> str:
        """Return what commands print to standard output. Raises AssertionError with all output if one of them fails."""
        name = f"{self.directory}/{next(self.numbers)}"
        self.machine.write(name, commands)
        assert self.bash.stdin is not None
        line = f"trap 'echo $? > {name}.status' EXIT; set -eu; . {name} > {name}.out 2> {name}.err < /dev/null; set +eu; echo 0 > {name}.status\n"
        self.bash.stdin.write(line)
        self.bash.stdin.flush()
        status = self._wait_for(f"{name}.status")
        printed = self.machine.run(f"cat {name}.out")
        if status != "0":
            errors = self.machine.run(f"cat {name}.err")
            raise AssertionError(f"{where}: ended with {status}\n{commands}\n{printed}\n{errors}")
        return printed

    def _wait_for(self, path: str) -> str:
        deadline = time.monotonic() + COMMAND_SECONDS
        file = Path(f"/proc/{self.machine.pid}/root{path}")
        while time.monotonic() < deadline:
            if file.exists() and (status := file.read_text().strip()):
                return status
            time.sleep(0.05)
        raise TimeoutError(f"a command did not end within {COMMAND_SECONDS} s: {path.removesuffix('.status')}")

    def close(self) -> None:
        """End the bash; what it started in the background ends with the machine."""
        self.bash.kill()
        self.bash.communicate()
