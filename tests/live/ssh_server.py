"""sshd on loopback as a person meets it, and a company to log in to.

Debian's own OpenSSH in the place of gitlab-sshd; git_client.py does what gitlab-sshd does beside the
SSH protocol and is shaped by tests/recordings/shell-*.jsonl. What it cannot show: gitlab-sshd's own
handling of connections, its time-outs (10 s for all attempts at a key), and its other commands.
"""

import getpass
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.live import git_client
from tests.live.service import Service, temporary_directory
from tests.servers import START_SECONDS, answers, free_port, wait_until

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


@dataclass
class SSHServer:
    """sshd on loopback, and keys that people have."""

    directory: Path
    port: int
    log: Path
    url: str = ""
    """Where the service is asked."""

    def key(self, name: str) -> Path:
        """The private key of somebody, made when first asked for."""
        path = self.directory / f"key_{name}"
        if not path.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True)
        return path

    def public_key(self, name: str) -> str:
        return self.key(name).with_suffix(".pub").read_text().strip()

    def certify(self, authority: str, name: str, login: str) -> None:
        """Sign somebody's key with an authority's, for a login."""
        command = ["ssh-keygen", "-q", "-s", str(self.key(authority)), "-I", login, "-n", "git", "-V", "+1h", f"{self.key(name)}.pub"]
        subprocess.run(command, check=True)

    def ssh(self, name: str) -> list[str]:
        """The command line of an SSH client that has this key and no other."""
        options = ["IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "LogLevel=ERROR"]
        arguments = [argument for option in options for argument in ("-o", option)]
        return ["ssh", "-F", "none", "-i", str(self.key(name)), "-p", str(self.port), *arguments]

    @contextmanager
    def shared_connection(self, name: str) -> Iterator[list[str]]:
        """Options of SSH clients that share one connection of somebody's (ControlMaster)."""
        socket = self.directory / f"control_{name}"
        options = ["-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-o", f"ControlPath={socket}"]
        try:
            yield options
        finally:
            leave = [*self.ssh(name), *options, "-O", "exit", "127.0.0.1"]
            subprocess.run(leave, check=False, capture_output=True)

    def git(self, name: str, *arguments: str, cwd: Path | None = None, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run git as that person; `options` are the SSH client's."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "GIT_SSH_COMMAND": " ".join([*self.ssh(name), *options]),
            "GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": f"{name}@example.com",
            "GIT_COMMITTER_NAME": name, "GIT_COMMITTER_EMAIL": f"{name}@example.com",
        }  # fmt: skip
        return subprocess.run(
            ["git", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=START_SECONDS
        )

    def address(self, path: str) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}/{path}"


def configured(service: Service) -> SSHServer:
    """A server with its keys and its configuration, not started yet."""
    directory = temporary_directory()
    port = free_port()
    server = SSHServer(directory, port, directory / "sshd.log", service.url)
    script = Path(git_client.__file__).resolve()
    # OpenSSH wants the command in a directory of root's that nobody else may write to; env is in one, and starts ours.
    here = f"{service.url} {service.shell_secret} {directory / 'repositories'}"
    asking = f"/usr/bin/env {sys.executable} {script} authorized_keys {here} %k"
    asking_for_certificate = f"/usr/bin/env {sys.executable} {script} authorized_principals {here} %F %i"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / "host_key")], check=True)
    # Principals come first: OpenSSH 9.2 drops their command when it has read AuthorizedKeysCommand before it.
    (directory / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {directory / 'host_key'}\nPidFile none\nUsePAM no\n"
        f"TrustedUserCAKeys {directory / 'authorities'}\nAuthorizedPrincipalsCommand {asking_for_certificate}\n"
        f"AuthorizedPrincipalsCommandUser {getpass.getuser()}\n"
        f"AuthorizedKeysFile none\nAuthorizedKeysCommand {asking}\nAuthorizedKeysCommandUser {getpass.getuser()}\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nStrictModes no\n"
    )
    # Every authority is let through to the question, as gitlab-sshd does; the service decides.
    authorities = [server.public_key(name) for name in ("authority", "foreign_authority")]
    (directory / "authorities").write_text("\n".join(authorities) + "\n")
    return server


@contextmanager
def running_sshd(service: Service, through: Callable[[], AbstractContextManager[str]] | None = None) -> Iterator[SSHServer]:
    """OpenSSH's own server; AuthorizedKeysCommand asks the service, `through` a proxy once a company is there."""
    server = configured(service)
    directory, port = server.directory, server.port
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd's privilege separation wants it
    with server.log.open("wb") as log:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(directory / "sshd_config")], stdout=log, stderr=log)
    try:
        wait_until(lambda: answers(port), "sshd")
        populate(service, server)
        if through is None:
            yield server
            return
        with through() as server.url:
            config = directory / "sshd_config"
            config.write_text(config.read_text().replace(service.url, server.url))
            process.send_signal(signal.SIGHUP)
            wait_until(lambda: answers(port), "sshd")
            yield server
    finally:
        process.terminate()
        process.wait(START_SECONDS)
        shutil.rmtree(directory, ignore_errors=True)


def populate(service: Service, server: SSHServer) -> None:
    """A company with one repository on disk."""
    service.seed(
        {
            "storages": [{"name": "default", "gitaly_address": "unix:/nowhere/gitaly.socket"}],
            "users": [
                {"username": "ann", "enterprise_group": "acme", "keys": [{"id": 11, "key": server.public_key("ann")}]},
                {"username": "bob", "keys": [{"id": 12, "key": server.public_key("bob")}]},
                {"username": "carol", "keys": [{"id": 13, "key": server.public_key("carol")}]},
                {
                    "username": "dan",
                    "keys": [
                        {"key": server.public_key("dan_signing"), "usage_type": "signing"},
                        {"key": server.public_key("dan_expired"), "expires_at": "2020-01-01T00:00:00Z"},
                    ],
                },
            ],
            "groups": [
                {
                    "path": "acme",
                    "members": {"ann": "developer", "bob": "reporter", "dan": "owner"},
                    "ssh_certificates": [{"title": "acme's authority", "key": server.public_key("authority")}],
                }
            ],
            "projects": [
                {"path": "ann/notes"},
                {"id": 7, "path": "acme/rockets", "deploy_keys": [{"id": 21, "title": "ci", "key": server.public_key("ci")}]},
            ],
        }
    )
    digest = hashlib.sha256(b"7").hexdigest()
    repository = server.directory / "repositories" / "@hashed" / digest[:2] / digest[2:4] / f"{digest}.git"
    repository.mkdir(parents=True)
    assert server.git("ann", "init", "--quiet", "--bare", "--initial-branch=main", str(repository)).returncode == 0
    work = server.directory / "first"
    assert server.git("ann", "init", "--quiet", "--initial-branch=main", str(work)).returncode == 0
    (work / "README").write_text("Rockets\n")
    assert server.git("ann", "add", "README", cwd=work).returncode == 0
    assert server.git("ann", "commit", "--quiet", "-m", "Start", cwd=work).returncode == 0
    pushed = server.git("ann", "push", "--quiet", server.address("acme/rockets.git"), "main", cwd=work)
    assert pushed.returncode == 0, pushed.stderr + server.log.read_text()
