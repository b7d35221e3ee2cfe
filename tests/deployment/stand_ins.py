"""What stands in for Gitaly, gitlab-sshd, Workhorse and kas in the deployment's tests: programs with their command lines that read their configuration.

They refuse what the real ones refuse: a directory that is missing, a secret that cannot be read. The one serves the tests' Gitaly with the
configured address, token and storage; the second asks the service as GitLab Shell does and then waits; the third is
testing/workhorse, with the repositories of the first storage in Gitaly's configuration.
"""

import base64
import signal
import sys
import tomllib
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import yaml

from internal_api.service_tokens import KAS, SHELL
from testing import workhorse
from tests.gitaly_server import running
from tests.kas_server import running_kas

PROGRAM = """#!/bin/sh
cd /opt/control-plane
exec .venv/bin/python -B -m tests.deployment.stand_ins {name} "$@"
"""


def check_gitaly(configuration: Mapping[str, Any]) -> None:
    """Refuse what Gitaly refuses when it starts. Raises OSError, KeyError and ValueError."""
    for directory in (configuration["bin_dir"], configuration["runtime_dir"], *(storage["path"] for storage in configuration["storage"])):
        if not Path(directory).is_dir():
            raise NotADirectoryError(f"{directory} is not a directory")
    (Path(configuration["runtime_dir"]) / "probe").touch()
    ask_check(configuration["gitlab"]["url"], configuration["gitlab"]["secret_file"])


def ask_check(url: str, secret_file: str) -> None:
    """Ask `/check` as both programs do at first. Raises OSError."""
    token = SHELL.issue(Path(secret_file).read_bytes().strip())
    request = urllib.request.Request(f"{url}/api/v4/internal/check", headers={"Gitlab-Shell-Api-Request": token})  # noqa: S310  http
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  likewise
        sys.stderr.write(f"{url} answers {answer.status}\n")


def gitaly(path: Path) -> None:
    """Serve what `gitaly serve config.toml` would, from the first storage."""
    configuration = tomllib.loads(path.read_text())
    check_gitaly(configuration)
    token = Path(configuration["auth"]["token_file"]).read_text().strip()
    with running(Path(configuration["storage"][0]["path"]), token=token, listen=configuration["listen_addr"]):
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


def gitlab_sshd(directory: Path) -> None:
    """Read config.yml as gitlab-sshd does; no SSH is spoken."""
    configuration = yaml.safe_load((directory / "config.yml").read_text())
    for file in configuration["sshd"]["host_key_files"]:
        if "PRIVATE KEY" not in Path(file).read_text():
            raise ValueError(f"{file} is no host key")
    ask_check(configuration["gitlab_url"], configuration["secret_file"])
    sys.stderr.write("Listening for SSH connections\n")
    signal.sigwait({signal.SIGINT, signal.SIGTERM})


def gitlab_workhorse(arguments: Sequence[str]) -> None:
    """Serve as `gitlab-workhorse` with these options would. The document root must exist, and be empty."""
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    if any(Path(options["-documentRoot"]).iterdir()):
        raise ValueError(f"{options['-documentRoot']} is not empty")
    secret = base64.b64decode(Path(options["-secretPath"]).read_text().strip(), validate=True)
    storage = tomllib.loads(Path("/etc/gitaly/config.toml").read_text())["storage"][0]
    backend, listen = urlsplit(options["-authBackend"]).port or 80, int(options["-listenAddr"].rpartition(":")[2])
    with workhorse.running(backend, secret, Path(storage["path"]), listen=listen):
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


def kas(path: Path) -> None:
    """Read kas.yaml as kas does, ask the service with the shared secret, and serve kas' own API; no agent is served."""
    configuration = yaml.safe_load(path.read_text())
    secrets = [configuration[door]["listen"]["authentication_secret_file"] for door in ("api", "private_api")]
    keys = [base64.b64decode(Path(file).read_text().strip(), validate=True) for file in secrets]
    gitlab = configuration["gitlab"]
    shared = base64.b64decode(Path(gitlab["authentication_secret_file"]).read_text().strip(), validate=True)
    if {len(key) for key in (*keys, shared)} != {32}:
        raise ValueError("a secret has not 32 bytes")
    for door in (configuration["agent"]["listen"], configuration["agent"]["kubernetes_api"]["listen"]):
        if "PRIVATE KEY" not in Path(door["key_file"]).read_text() or "CERTIFICATE" not in Path(door["certificate_file"]).read_text():
            raise ValueError(f"{door['key_file']} is no key")
    headers = {"Gitlab-Kas-Api-Request": KAS.issue(shared), "Authorization": "Bearer no-agent"}
    request = urllib.request.Request(f"{gitlab['address']}/api/v4/internal/kubernetes/agent_info", headers=headers)  # noqa: S310  http
    try:
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310  likewise
    except HTTPError as error:
        if b"KAS JWT" in error.read():
            raise
    with running_kas(keys[0], port=int(configuration["api"]["listen"]["address"].rpartition(":")[2])):
        sys.stderr.write("kas is listening\n")
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    if sys.argv[1] == "gitaly":
        gitaly(Path(sys.argv[sys.argv.index("serve") + 1]))
    elif sys.argv[1] == "kas":
        kas(Path(sys.argv[-1].partition("=")[2]))
    elif sys.argv[1] == "gitlab-workhorse":
        gitlab_workhorse(sys.argv[2:])
    else:
        gitlab_sshd(Path(sys.argv[sys.argv.index("-config-dir") + 1]))
