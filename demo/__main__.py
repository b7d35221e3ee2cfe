"""`make demo`: a clone and pushes over real SSH on loopback, with each question that goes to the service and each answer.

OpenSSH plays gitlab-sshd, two Python programs (tests/live) play GitLab Shell and Gitaly's hooks; git and the service are real.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.wire import BOLD, RED, colour, watching
from tests.gitaly_server import running
from tests.live import hook_client
from tests.live.service import Service, temporary_directory
from tests.live.ssh_server import SSHD, SSHServer, running_sshd

REPOSITORY = "@hashed/79/02/7902699be42c8a8e46fbbb4501726517e86b22c56a189f7625a6da49081b2451.git"


def say(text: str) -> None:
    """What comes next."""
    sys.stdout.write("\n" + colour(text, BOLD) + "\n")
    sys.stdout.flush()


def git(server: SSHServer, name: str, *arguments: str, cwd: Path | None = None) -> None:
    """A command of somebody's, and what it prints."""
    say(f"{name}$ git {' '.join(arguments)}")
    done = server.git(name, *arguments, cwd=cwd)
    for line in (done.stdout + done.stderr).splitlines():
        sys.stdout.write(f"  {line}\n" if done.returncode == 0 else colour(f"  {line}\n", RED))


def story(service: Service, server: SSHServer) -> None:
    """A clone, a push, a refusal, a stranger, and why."""
    work = server.directory / "work"
    address = server.address("acme/rockets.git")
    say("Ann greets the server: sshd asks which key this is, GitLab Shell whom to greet.")
    greeting = [*server.ssh("ann"), address.removeprefix("ssh://").partition(":")[0]]
    done = subprocess.run(greeting, capture_output=True, text=True, check=False)  # noqa: S603  our own words
    sys.stdout.write(f"  {done.stdout}")
    git(server, "ann", "clone", "--quiet", address, str(work))
    git(server, "ann", "commit", "--quiet", "--allow-empty", "-m", "Fly higher", cwd=work)
    git(server, "ann", "push", "origin", "HEAD:refs/heads/higher", cwd=work)
    say("main is protected: only maintainers may push to it, and Ann is a developer.")
    git(server, "ann", "push", "origin", "main", cwd=work)
    say("Carol is nobody here, and is not told that there is such a project.")
    git(server, "carol", "clone", address, str(server.directory / "stolen"))
    explained = ("--user", "carol", "--project", "acme/rockets", "--action", "git-upload-pack")
    say(f"Why? python manage.py explain_access {shlex.join(explained)}")
    sys.stdout.write("".join(f"  {line}\n" for line in service.manage("explain_access", *explained, code=1).splitlines()))
    say("Clone it yourself:")
    sys.stdout.write(f"  GIT_SSH_COMMAND='{' '.join(server.ssh('ann'))}' git clone {address}\n")


@contextmanager
def storages_of(server: SSHServer) -> Iterator[Path]:
    """A directory in which Gitaly finds sshd's repositories as its storage."""
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / "default").symlink_to(server.directory / "repositories")
        yield Path(root)


def tell(service: Service, token: Path) -> None:
    """The story, with sshd and Gitaly for as long as it lasts."""
    direct = service.url
    with (
        running_sshd(service, through=lambda: watching(service.port, direct, str(token))) as server,
        storages_of(server) as root,
        running(root, token="gitaly token") as gitaly,  # noqa: S106  of this demo
    ):
        storages = [{"name": "default", "gitaly_address": gitaly.address, "gitaly_token": "gitaly token"}]
        rule = {"name": "main", "push": ["maintainer"], "merge": ["maintainer"]}
        service.seed({"storages": storages, "projects": [{"path": "acme/rockets", "protected_branches": [rule]}]})
        hook_client.install(server.directory / "repositories" / REPOSITORY, server.url, service.shell_secret, "project-7")
        story(service, server)
        if sys.stdin.isatty():
            input("\nEverything is still running. Enter stops it. ")


def main() -> int:
    """Set everything up, tell the story, tidy up."""
    if not Path(SSHD).exists() or shutil.which("git") is None:
        sys.stderr.write("The demo needs OpenSSH's server and git (Debian: apt-get install openssh-server git).\n")
        return 1
    for name in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(name, None)  # the demo keeps to itself
    directory = temporary_directory()
    service = Service(directory, workers=1)
    token = directory / "token"
    variables = f"GITLAB_SHELL_SECRET_FILE={service.shell_secret} VAR_DIR={directory}"
    token.write_text(f"#!/bin/sh\n{variables} exec {sys.executable} manage.py shell_token\n")
    token.chmod(0o755)
    say("Starting the service, sshd and a stand-in for Gitaly on loopback ...")
    try:
        service.start()
        tell(service, token)
    finally:
        service.stop()
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
