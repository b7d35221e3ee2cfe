"""The image of the Dockerfile, built and run without a registry and without a container engine's daemon.

Built by buildah with chroot isolation. `python:3.13-slim-trixie` cannot be had without a registry; what stands in for it is Debian's
trixie from debootstrap with Debian's own Python 3.13: the same distribution and minor version of Python. Run in namespaces of its own:
read-only root, a temporary /tmp, one writable volume, the image's user without capabilities, its command as process 1.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deployment.newer_debian import mirror
from tests.deployment.scratch_root import ROOT, ScratchRoot

BASE = "localhost/stand-in-for-python:3.13-slim-trixie"
IMAGE = "localhost/control-plane"
PACKAGES = "python3,python3-venv,ca-certificates,netbase,tzdata"
RUN = r"""
set -eu
mount --make-rprivate /
mount --bind "$IMAGE" "$IMAGE"
cd "$IMAGE"
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs dev
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/urandom c 1 9
mkdir dev/shm
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs run
mkdir run/secrets
mount --bind -o ro "$SECRETS" run/secrets
mount --bind "$STATE" var/lib/control-plane
mount -o remount,bind,ro .
mount -t tmpfs -o mode=755,size=1m tmpfs media
mkdir media/former
pivot_root . media/former
cd /app
umount -l /media/former
umount /media
gid=$GID
unset IMAGE SECRETS STATE GID
exec setpriv --reuid 10001 --regid "$gid" --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all "$@"
"""


@dataclass
class Image:
    """A built image: where its files are and what its configuration says."""

    root: Path
    configuration: Mapping[str, Any]
    size: int
    base_size: int


def buildah(*arguments: str) -> str:
    """Return what buildah prints; its images are below var/, so that a later run finds the base."""
    store = ROOT / "var" / "buildah"
    command = ["buildah", "--root", str(store / "store"), "--runroot", str(store / "run"), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}"
    return done.stdout.strip()


def make_base() -> None:
    """Make the stand-in for the Dockerfile's base, unless an earlier run left it."""
    images = json.loads(buildah("images", "--json") or "[]")
    if any(BASE in (image.get("names") or []) for image in images):
        return
    with tempfile.TemporaryDirectory(dir=ROOT / "var") as temporary:
        root = Path(temporary) / "root"
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "trixie", str(root), mirror()]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        for directory in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(root / directory)
            (root / directory).mkdir()
        subprocess.run(["tar", "-C", str(root), "-cf", f"{temporary}/base.tar", "."], check=True)
        (Path(temporary) / "Containerfile").write_text("FROM scratch\nADD base.tar /\n")
        buildah("bud", "--isolation", "chroot", "--quiet", "--tag", BASE, "--file", f"{temporary}/Containerfile", temporary)


def pip_configuration() -> str:
    """Return what this machine's pip is configured with, as a pip.conf for inside the build; no file of the repository has it."""
    pip = [str(ROOT / ".venv" / "bin" / "python"), "-m", "pip", "config", "list"]
    lines = []
    for line in subprocess.run(pip, check=True, capture_output=True, text=True).stdout.splitlines():
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2]
        if key not in {"cert", "find-links"}:
            lines.append(f"{key} = {value.strip(chr(39))}\n")
    return "[global]\n" + "".join(lines) + "cert = /run/secrets/ca.pem\n"


def authorities() -> str:
    """Return the file with the authorities that this machine believes."""
    named = (os.environ.get(name) for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"))
    return next(filter(None, named), "/etc/ssl/certs/ca-certificates.crt")


def build(context: Path, *arguments: str) -> None:
    """Build the Dockerfile of a directory as it is, but for its base."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as configuration:
        configuration.write(pip_configuration())
        configuration.flush()
        secrets = ["--secret", f"id=pip.conf,src={configuration.name}", "--secret", f"id=ca.pem,src={authorities()}"]
        options = ["--isolation", "chroot", "--layers", "--format", "docker", "--build-arg", f"BASE={BASE}", "--tag", IMAGE]
        buildah("bud", *options, *secrets, *arguments, str(context))


@contextmanager
def built(context: Path) -> Iterator[Image]:
    """The image of a directory's Dockerfile, mounted."""
    make_base()
    build(context)
    container = buildah("from", "--pull-never", IMAGE)
    try:
        inspected = json.loads(buildah("inspect", "--type", "image", IMAGE))
        yield Image(Path(buildah("mount", container)), inspected["Docker"]["config"], size(IMAGE), size(BASE))
    finally:
        buildah("rm", container)


def size(name: str) -> int:
    """Return the bytes of an image as buildah rounds them, such as `292 MB`."""
    number, unit = json.loads(buildah("images", "--json", name))[0]["size"].split()
    return int(float(number) * {"MB": 10**6, "GB": 10**9}[unit])


def command(image: Image, machine: ScratchRoot, directory: Path, arguments: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    """Return what runs a program of the image in the network of a machine; `directory` has `state` and `secrets`."""
    environment = dict(entry.split("=", 1) for entry in image.configuration["Env"])
    places = {
        "IMAGE": str(image.root),
        "SECRETS": str(directory / "secrets"),
        "STATE": str(directory / "state"),
        "GID": str((directory / "state").stat().st_gid),
    }
    values = [f"{name}={value}" for name, value in {**environment, **variables, **places}.items()]
    namespaces = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
    enter = ["nsenter", "--target", str(machine.pid), "--net"]
    return [*enter, *namespaces, "env", "-i", *values, "bash", "-c", RUN, "bash", *arguments]
