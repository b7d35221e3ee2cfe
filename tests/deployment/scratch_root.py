"""A machine of its own for a test, as far as the kernel makes one without another kernel.

Files: an overlay above this machine's root, so that every path can be read and written, and nothing outside changes. Processes: a
PID namespace; all of them end with the machine. Network: loopback only, so that every port is free. Needs root.
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
COMMAND_SECONDS = 600
"""Seconds after which a command has hung: a busy machine takes minutes for an installation."""
START = r"""
set -eu
mount --make-rprivate /
mkdir -p "$BASE/upper" "$BASE/work" "$BASE/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$BASE/upper,workdir=$BASE/work" "$BASE/root"
cd "$BASE/root"
mkdir -p source wheels
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
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
[ -z "$LOOPBACK" ] || ip link set lo up
mkdir -p run/lock
echo ready
exec chroot . sleep infinity
"""


class ScratchRoot:
    """A machine with this machine's programs; use as a context manager.

    `trees` are directories that appear under other names, writable, without being changed themselves.
    `wheels` is where pip finds packages, `source` the repository that is /source here and that https://git.example.com/control-plane.git
    is cloned from. `network` is the machine whose network this one shares.
    """

    def __init__(
        self,
        *,
        trees: Mapping[str, Path] | None = None,
        wheels: Path | None = None,
        source: Path = ROOT,
        network: "ScratchRoot | None" = None,
    ) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="scratch-"))
        self.base.chmod(0o755)
        self.trees = trees or {}
        self.wheels = wheels
        self.source = source
        self.network = network
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
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        if self.network is None:
            namespaces.append("--net")
        else:
            namespaces = ["nsenter", "--target", str(self.network.pid), "--net", *namespaces]
        environment = {
            "PATH": os.environ["PATH"],
            "BASE": str(self.base),
            "TREES": " ".join(f"{name}:{directory}" for name, directory in self.trees.items()),
            "SOURCE": str(self.source),
            "WHEELS": str(self.wheels or ""),
            "LOOPBACK": "" if self.network else "yes",
        }
        self.holder = subprocess.Popen([*namespaces, "bash", "-c", START], env=environment, stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout is not None
        if self.holder.stdout.readline() != "ready\n":
            raise RuntimeError("No machine could be made for the test: see above. Mounting overlays needs CAP_SYS_ADMIN.")
        children = Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text().split()
        self.pid = int(children[0]) if children else self.holder.pid
        wait_until(lambda: Path(f"/proc/{self.pid}/comm").read_text() == "sleep\n", "the machine")
        self.run("git config --system --add safe.directory '*'")
        self.run(f"git config --system url./source.insteadOf {REPOSITORY}")

    def __exit__(self, *_: object) -> None:
        if self.holder is not None:
            self.holder.kill()
            self.holder.wait(COMMAND_SECONDS)
            if self.holder.stdout is not None:
                self.holder.stdout.close()
        shutil.rmtree(self.base, ignore_errors=True)

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
