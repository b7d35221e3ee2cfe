"""Start manage.py and gunicorn from a process that has imported the libraries already.

Each start of `manage.py` or gunicorn takes 1.5 s of CPU, and two thirds of that is the import of
Django, REST framework, psycopg and the like. One process for each of pytest's workers imports them
once (`LIBRARIES`) and forks for every start. The child has the arguments, environment, directory,
standard streams and exit status of the real command, and imports all code of this project, reads
the settings and sets up Django itself.

What it cannot show, and tests with a `Service` that is not `is_preloaded` do: that the libraries
are imported by whoever needs them (tests/test_start.py too), what a start costs in time and memory,
and what only the start of an interpreter reads: PYTHON* variables, the
locale, options of the command line and the seed of hashes, which all children share.
tests/live/test_preloaded.py compares the two.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = (
    "asyncio",
    "cryptography.hazmat.primitives.serialization",
    "cryptography.x509",
    "django.contrib.admin.options",
    "django.contrib.auth.hashers",
    "django.contrib.postgres.fields",
    "django.contrib.postgres.indexes",
    "django.contrib.sessions.backends.db",
    "django.core.cache.backends.db",
    "django.core.handlers.wsgi",
    "django.core.management.commands.migrate",
    "django.core.serializers.json",
    "django.db.backends.postgresql.base",
    "django.db.backends.sqlite3.base",
    "django.db.migrations.writer",
    "django.forms",
    "django.template.loader",
    "django.test",
    "django.views.generic",
    "django_tasks",
    "environ",
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.gthread",
    "jsonschema",
    "jwt",
    "logging.config",
    "psycopg_pool",
    "pyotp",
    "requests",
    "rest_framework.compat",
    "rest_framework.serializers",
    "uritemplate",
    "whitenoise.middleware",
    "yaml",
)
"""What needs no settings and reads no variable of a test's environment: prometheus_client does, when it is imported."""
_LONGEST_REQUEST = 1 << 17


@dataclass(frozen=True)
class _Job:
    """What a child is to run."""

    arguments: list[str]
    environment: dict[str, str]
    directory: str


class Forked:
    """A program that was started here, in the manner of `subprocess.Popen`."""

    def __init__(self, told: socket.socket) -> None:
        self._told = told
        self._lock = threading.Lock()
        self.returncode: int | None = None
        self.pid = int(told.recv(64) or 0)
        if not self.pid:
            raise RuntimeError("the process that forks has ended")

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status when the program has ended. Raises subprocess.TimeoutExpired."""
        with self._lock:
            if self.returncode is None:
                self._told.settimeout(timeout)
                try:
                    status = self._told.recv(64)
                except (TimeoutError, BlockingIOError):
                    raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None
                self._told.close()
                self.returncode = int(status or -signal.SIGKILL)
            return self.returncode

    def poll(self) -> int | None:
        """Return the exit status, or None while the program runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the program has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class _Server:
    """The process that forks, as its starter sees it."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "tests.preloaded", str(theirs.fileno())]
        with theirs:
            self._process = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        atexit.register(self.close)

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], directory: Path, streams: Sequence[int]) -> Forked:
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = json.dumps([list(arguments), dict(environment), str(directory)]).encode()
        with theirs:
            socket.send_fds(self._requests, [request], [*streams, theirs.fileno()])
        return Forked(mine)

    def close(self) -> None:
        self._requests.close()
        self._process.wait()


_servers: dict[int, _Server] = {}
_starting = threading.Lock()


def start(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path = ROOT,
    stdin: int | None = None,
    stdout: IO[Any] | int | None = None,
    stderr: IO[Any] | int | None = None,
) -> Forked:
    """Start `python ARGUMENTS` (a script, or `-m` and a module); streams that are not named are the null device."""
    with _starting:
        server = _servers.get(os.getpid()) or _servers.setdefault(os.getpid(), _Server())
    with open(os.devnull, "r+b") as null:  # noqa: PTH123  a device
        streams = [null if stream is None else stream for stream in (stdin, stdout, stderr)]
        return server.start(arguments, env, cwd, [one if isinstance(one, int) else one.fileno() for one in streams])


def run(
    arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path = ROOT, text: str | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run `python ARGUMENTS` to its end, in the manner of `subprocess.run`; `text` is its standard input."""
    with _memory_file() as given, _memory_file() as out, _memory_file() as error:
        given.write((text or "").encode())
        given.seek(0)
        code = start(arguments, env=env, cwd=cwd, stdin=given.fileno(), stdout=out, stderr=error).wait()
        return subprocess.CompletedProcess(list(arguments), code, _content(out), _content(error))


def _memory_file() -> IO[bytes]:
    return os.fdopen(os.memfd_create("stream"), "w+b", buffering=0)


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def _serve(requests: socket.socket) -> _Job | None:
    """Fork for each request until no more can come; in the child, return what it is to run."""
    children: dict[int, socket.socket] = {}
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes.fileno())
    while True:
        ready, _, _ = select.select([requests, woken], [], [])
        if woken in ready:
            woken.recv(4096)
            _tell_ended(children)
        if requests in ready:
            request, descriptors, _, _ = socket.recv_fds(requests, _LONGEST_REQUEST, 4)
            if not request:
                return None
            if job := _fork(request, descriptors, children):
                return job


def _fork(request: bytes, descriptors: list[int], children: dict[int, socket.socket]) -> _Job | None:
    """Fork, and tell the process id; in the child, return what it is to run."""
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, descriptor in enumerate(descriptors[:3]):
            os.dup2(descriptor, number)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        return _Job(*json.loads(request))
    for descriptor in descriptors[:3]:
        os.close(descriptor)
    children[pid] = socket.socket(fileno=descriptors[3])
    children[pid].send(str(pid).encode())
    return None


def _tell_ended(children: dict[int, socket.socket]) -> None:
    """Tell the exit status of each child that has ended."""
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with children.pop(pid) as told, suppress(BrokenPipeError):  # nobody waits for it any more
            told.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(job: _Job) -> None:
    """Run the program in the place of this one."""
    os.chdir(job.directory)
    os.environ.clear()
    os.environ.update(job.environment)
    time.tzset()
    gc.enable()
    program, *arguments = job.arguments
    if program == "-m":
        sys.path[0] = job.directory
        sys.argv = arguments
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(program).resolve().parent)
        sys.argv = job.arguments
        runpy.run_path(program, run_name="__main__")


def _main(descriptor: int) -> None:
    """Import the libraries, fork for each request, and be the program in each child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this one closes the socket
    gc.disable()
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.freeze()
    if job := _serve(socket.socket(fileno=descriptor)):
        _become(job)


if __name__ == "__main__":
    _main(int(sys.argv[1]))
