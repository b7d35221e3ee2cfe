"""The directory in which the processes of one server, or of one worker, count, each in files of its own (PROMETHEUS_MULTIPROC_DIR).

One directory serves a gunicorn from its start to its end, reloads included. What a process that has ended counted is added
to one file for all of them, so that counters never fall and a page of metrics costs the same after a thousand reloads. Of a
gunicorn that was killed the next one removes the directory. Imports nothing of Django: gunicorn's first process uses it.
"""

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_OWNER = "PROMETHEUS_MULTIPROC_OWNER"
"""The process id of the gunicorn whose directory the environment names: a new binary (USR2) inherits its predecessor's."""
_PREFIX = "metrics-"
_OWNED = "owned.lock"
"""Locked for as long as a process of its gunicorn lives."""
_MERGING = "merging.lock"
NO_PROCESS = 0
"""Stands for all processes that have ended in the names of files."""
_ADDED_UP = ("counter", "histogram", "summary")


def open_directory() -> Path:
    """Return this gunicorn's directory, a new one at its start, and name it in the environment that its workers inherit."""
    if os.environ.get(_OWNER) == str(os.getpid()):
        return Path(os.environ[VARIABLE])
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        _remove_if_abandoned(left)
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = os.open(directory / f".{_OWNED}", os.O_CREAT | os.O_RDWR, 0o600)  # stays open, in the workers too
    fcntl.flock(lock, fcntl.LOCK_EX)
    (directory / f".{_OWNED}").rename(directory / _OWNED)  # whoever sees it finds it locked
    os.environ[VARIABLE], os.environ[_OWNER] = str(directory), str(os.getpid())
    atexit.register(_remove, directory, os.getpid())
    return directory


def count_for_a_port(arguments: Sequence[str]) -> None:
    """Let the command that is about to start count in a directory, if it is a worker with a port.

    Called before Django is set up: prometheus_client looks for the directory when it is imported.
    """
    if arguments[:1] == ["db_worker"] and os.environ.get("WORKER_METRICS_PORT", "0") not in {"", "0"}:
        open_directory()


def _remove(directory: Path, owner: int) -> None:
    if os.getpid() == owner:  # what is registered before a fork is run in the children too
        shutil.rmtree(directory, ignore_errors=True)


def _remove_if_abandoned(directory: Path) -> None:
    """Remove the directory of a gunicorn of which no process is left. Directories of other users and programs stay."""
    with suppress(OSError):
        lock = os.open(directory / _OWNED, os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory, ignore_errors=True)
        finally:
            os.close(lock)


@contextmanager
def reading(directory: str) -> Iterator[None]:
    """Let no count move from one file to another while the block reads them."""
    with _locked(Path(directory), fcntl.LOCK_SH):
        yield


@contextmanager
def _locked(directory: Path, kind: int) -> Iterator[None]:
    lock = os.open(directory / _MERGING, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, kind)
        yield
    finally:
        os.close(lock)


def keep_counts_of(directory: Path, pid: int) -> None:
    """Add what a process that has ended counted to the file of all such processes, and forget its gauges."""
    from prometheus_client import multiprocess  # noqa: PLC0415  which looks for the directory when it is imported
    from prometheus_client.mmap_dict import MmapedDict  # noqa: PLC0415  likewise

    with _locked(directory, fcntl.LOCK_EX):
        for kind in _ADDED_UP:
            file = directory / f"{kind}_{pid}.db"
            if not file.exists():
                continue
            kept = MmapedDict(str(directory / f"{kind}_{NO_PROCESS}.db"))  # type: ignore[no-untyped-call]  # the package's own
            for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):  # type: ignore[no-untyped-call]  # likewise
                before, _ = kept.read_value(key)  # type: ignore[no-untyped-call]  # likewise
                kept.write_value(key, before + value, 0.0)  # type: ignore[no-untyped-call]  # likewise
            kept.close()  # type: ignore[no-untyped-call]  # likewise
            file.unlink()
        multiprocess.mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]  # likewise
