"""Programs of a Debian release that is newer than this machine's, run in a root of their own.

Packages and what they depend on come from the mirror that this machine's apt uses, by apt itself and with Debian's signatures; they
are unpacked, and no script of theirs is run. Kept below var/, so that a later run finds them.
"""

import fcntl
import shutil
import subprocess
from pathlib import Path

from tests.deployment.scratch_root import ROOT

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MERGED = ("bin", "sbin", "lib", "lib64")
"""Directories that are links into /usr (Debian's merged /usr); the links come from a script that is not run."""


def mirror() -> str:
    """Return the address of the mirror that this machine's apt has for Debian itself, and not for its security updates."""
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)"], check=True, capture_output=True, text=True
    ).stdout
    found = [address for release, address in map(str.split, targets.splitlines()) if "-" not in release]
    assert found, f"apt has no mirror of Debian itself:\n{targets}"
    return found[0]


def root_with(release: str, package: str) -> Path:
    """Return a root directory in which the programs of a release's package can be run with chroot."""
    directory = ROOT / "var" / "debian" / f"{release}-{package}"
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.exists():
            half = directory.with_suffix(".half")
            shutil.rmtree(half, ignore_errors=True)
            _unpack(release, package, half)
            half.rename(directory)
    return directory


def _unpack(release: str, package: str, root: Path) -> None:
    apt = root / "apt"
    for name in ("state/lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True)
    (apt / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {release} main\n")
    settings = {
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": apt / "state",
        "Dir::State::status": "/dev/null",  # nothing is installed there
        "Dir::Cache": apt / "cache",
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        "APT::Sandbox::User": "root",
        "APT::Install-Recommends": "false",
    }
    options = [argument for name, value in settings.items() for argument in ("--option", f"{name}={value}")]
    for command in (["update"], ["install", "--yes", "--download-only", package]):
        subprocess.run(["apt-get", "--quiet", "--quiet", *options, *command], check=True, stdout=subprocess.DEVNULL)
    for name in MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for archive in sorted((apt / "cache" / "archives").glob("*.deb")):
        subprocess.run(["dpkg-deb", "--extract", str(archive), str(root)], check=True)
    shutil.rmtree(apt)
    (root / "tmp").mkdir(mode=0o1777, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    root.chmod(0o755)
