"""The sshd_config of docs/deployment/openssh.md under Debian's OpenSSH: who gets in, who gets a shell, and what `doctor` says of it."""

import getpass
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from internal_api import sshd_checks, sshd_config
from internal_api.doctor import Consultation, Finding, Level
from tests.deployment.pages import read_blocks
from tests.live import git_client
from tests.live.service import Service
from tests.live.ssh_server import SSHD, SSHServer
from tests.servers import START_SECONDS, answers, free_port, wait_until

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="sshd runs only programs in directories that belong to root"),
]
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "deployment" / "openssh.md"
USER = getpass.getuser()
PRINCIPALS = re.compile(r"^ *AuthorizedPrincipalsCommand .*\n", re.MULTILINE)
ROLES = {
    "gitlab-shell-authorized-keys-check": "authorized_keys_check",
    "gitlab-shell-authorized-principals-check": "authorized_principals_check",
}


@pytest.fixture(scope="module")
def programs(service: Service, sshd: SSHServer) -> Iterator[Path]:
    """Stand-ins for GitLab Shell's two programs, in a directory that sshd trusts."""
    directory = Path(tempfile.mkdtemp(prefix="gitlab-shell-", dir="/usr/local/lib"))
    directory.chmod(0o755)
    script = Path(git_client.__file__).resolve()
    for name, role in ROLES.items():
        program = directory / name
        program.write_text(
            f'#!/bin/sh\nexec {sys.executable} {script} {role} {service.url} {service.shell_secret} {sshd.directory}/repositories "$@"\n'
        )
        program.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def documented(programs: Path, authority: Path) -> str:
    """Return the document's lines, with this machine's paths and user in place of theirs."""
    (text,) = (block.text for block in read_blocks(DOCUMENT) if block.language == "sshd_config")
    placed = text.replace("/opt/gitlab-shell/bin", str(programs)).replace("/etc/ssh/user_ca.pub", str(authority))
    return re.sub(r"(?<=\s)git(?=\s)", USER, placed)


def in_the_wrong_order(config: str) -> str:
    """Return the same lines with the principals' command after the keys' command."""
    (line,) = PRINCIPALS.findall(config)
    return PRINCIPALS.sub("", config) + str(line)


@contextmanager
def serving(sshd: SSHServer, config: str) -> Iterator[tuple[SSHServer, Path]]:
    """Debian's sshd with these lines; the keys are those of the other server's company."""
    port, directory = free_port(), Path(tempfile.mkdtemp(prefix="sshd-"))
    path, log = directory / "sshd_config", directory / "log"
    own = f"Port {port}\nListenAddress 127.0.0.1\nHostKey {sshd.directory / 'host_key'}\nPidFile none\nUsePAM no\n"
    path.write_text(f"{own}\n{config}")
    Path("/run/sshd").mkdir(exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(path)], stdout=output, stderr=output)
    try:
        wait_until(lambda: answers(port), "sshd")
        yield replace(sshd, port=port, log=log), path
    finally:
        process.terminate()
        process.wait(START_SECONDS)
        shutil.rmtree(directory)


def certified(sshd: SSHServer) -> str:
    """Return whose key has a certificate of the trusted authority, for the user name ann, with the principal of the login."""
    name = "certified_by_the_instance"
    command = ["ssh-keygen", "-q", "-s", str(sshd.key("instance_authority")), "-I", "ann", "-n", USER, "-V", "+1h", f"{sshd.key(name)}.pub"]
    subprocess.run(command, check=True)
    return name


def connect(server: SSHServer, name: str, *command: str) -> subprocess.CompletedProcess[str]:
    asked = [*server.ssh(name), f"{USER}@127.0.0.1", *command]
    return subprocess.run(asked, capture_output=True, text=True, check=False, timeout=START_SECONDS)


def verdict(path: Path, monkeypatch: pytest.MonkeyPatch, *, ask_sshd: bool) -> list[Finding]:
    """Return what `doctor --sshd-config` finds, with `sshd -T` and without."""
    if not ask_sshd:
        monkeypatch.setattr(sshd_config, "SSHD", Path("/nowhere/sshd"))
    return list(sshd_checks.check_sshd(Consultation(sshd_config=str(path))))


@pytest.fixture
def config(sshd: SSHServer, programs: Path, settings: Settings) -> str:
    settings.SSH_URL = f"ssh://{USER}@localhost"
    return documented(programs, sshd.key("instance_authority").with_suffix(".pub"))


@pytest.mark.parametrize("ask_sshd", [True, False])
def test_as_documented_nobody_gets_a_shell(
    sshd: SSHServer, config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask_sshd: bool
) -> None:
    """A key and a certificate are greeted and clone; a command of their own is not run; an unknown key stays out."""
    with serving(sshd, config) as (server, path):
        for number, name in enumerate(("ann", certified(server))):
            assert connect(server, name).stdout == "Welcome to GitLab, @ann!\n", server.log.read_text()
            marker = tmp_path / f"marker{number}"
            assert connect(server, name, "touch", str(marker)).returncode != 0
            assert not marker.exists()
        assert "Permission denied (publickey)" in connect(server, "unknown").stderr
        (found,) = verdict(path, monkeypatch, ask_sshd=ask_sshd)
        assert (found.level, "may name any user" in found.text) == (Level.WELL, True), found


@pytest.mark.parametrize("ask_sshd", [True, False])
def test_in_the_wrong_order_a_certificate_opens_a_shell_and_doctor_says_so(
    sshd: SSHServer, config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask_sshd: bool
) -> None:
    """OpenSSH 9.2 drops the principals' command, so the certificate's principal is the login itself, without a forced command."""
    with serving(sshd, in_the_wrong_order(config)) as (server, path):
        marker = tmp_path / "marker"
        done = connect(server, certified(server), "touch", str(marker))
        assert (done.returncode, marker.exists()) == (0, True), done.stderr
        found = [one for one in verdict(path, monkeypatch, ask_sshd=ask_sshd) if one.level == Level.PROBLEM]
        assert found
        assert f"a certificate of a trusted authority with principal `{USER}` opens a shell as {USER}" in found[0].text
        assert found[0].advice == "Put AuthorizedPrincipalsCommand before AuthorizedKeysCommand."
        assert connect(server, "ann", "touch", str(tmp_path / "of_a_key")).returncode != 0, "keys are looked up all the same"
        assert not (tmp_path / "of_a_key").exists()


def test_git_speaks_protocol_version_2(sshd: SSHServer, config: str) -> None:
    """Only with AcceptEnv GIT_PROTOCOL."""
    environment = {**os.environ, "GIT_TRACE_PACKET": "1", "HOME": str(sshd.directory)}

    def trace(lines: str) -> str:
        with serving(sshd, lines) as (server, _):
            asked = ["git", "-c", "protocol.version=2", "ls-remote", server.address("acme/rockets.git")]
            ssh = {"GIT_SSH_COMMAND": " ".join(server.ssh("ann"))}
            return subprocess.run(
                asked, env={**environment, **ssh}, capture_output=True, text=True, check=False, timeout=START_SECONDS
            ).stderr

    assert "version 2" in trace(config)
    assert "version 2" not in trace(config.replace("AcceptEnv GIT_PROTOCOL\n", ""))
