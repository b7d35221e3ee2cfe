"""docs/deployment/secrets.md, typed step by step on two machines while all clients of both ask: no request is refused.

Instead of systemd, a small `systemctl` of the test does what the page asks of it: a reload is the line of the unit, a worker is started
again by a loop. The clients' files and Gitaly's settings are changed where the page says so.
"""

import base64
import json
import os
import re
import secrets
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment.pages import Block, execute, page
from tests.deployment.scratch_root import ROOT, ScratchRoot, Terminal
from tests.deployment.secret_clients import Clients, Fleet
from tests.gitaly_server import FakeGitaly, running
from tests.public_keys import ED25519
from tests.receiver import Receiver, receiving
from tests.servers import PostgreSQL, answers, free_port, wait_until

pytestmark = pytest.mark.deployment
NAMES = ("gitlab_shell_secret", "gitlab_kas_secret", "gitlab_workhorse_secret", "secret_key", "encryption_keys")
SHARED = NAMES[:3]
PASSWORD = "the password of an administrator"
RELOAD = re.search(r"^ExecReload=(.*\$MAINPID)$", (ROOT / "deploy" / "control-plane.service").read_text(), re.MULTILINE)
SYSTEMCTL = """#!/bin/sh
case "$*" in
  "reload control-plane") MAINPID=$(cat /run/control-plane.pid) sh -c '{reload}' ;;
  "restart control-plane-worker@*")
    worker=$(cat /run/worker.pid)
    kill "$worker"
    while [ "$(cat /run/worker.pid)" = "$worker" ]; do sleep 0.1; done ;;
  *) exit 1 ;;
esac
"""
MANAGE = """#!/bin/sh
set -a; . /etc/control-plane/environment; set +a
cd /opt/control-plane && exec .venv/bin/python manage.py "$@"
"""
SERVICE = "set -a; . /etc/control-plane/environment; cd /opt/control-plane; exec .venv/bin/gunicorn -p /run/control-plane.pid -c settings/gunicorn.py settings.wsgi"
WORKER = "set -a; . /etc/control-plane/environment; cd /opt/control-plane; while :; do .venv/bin/python manage.py db_worker & echo $! > /run/worker.pid; wait || :; done"


@dataclass
class Node:
    """One machine of the fleet."""

    machine: ScratchRoot
    terminal: Terminal
    port: int


class Everywhere(Terminal):
    """What the page lets people type on every machine, one after the other."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes

    def type(self, commands: str, where: str = "") -> str:
        return "".join(node.terminal.type(commands, where) for node in self.nodes)


def this_network() -> ScratchRoot:
    """Stands for this machine, whose network the nodes share."""
    here = ScratchRoot()
    here.base.rmdir()
    here.pid = os.getpid()
    return here


def installed_node(stack: ExitStack, source: Path, environment: dict[str, str], values: dict[str, str], log: Path) -> Node:
    """A machine with a copy of the working tree in /opt/control-plane and its secrets, that serves on a port of this machine."""
    processes: list[subprocess.Popen[bytes]] = []
    stack.callback(lambda: [process.wait() for process in processes])  # they end with the machine
    machine = stack.enter_context(ScratchRoot(network=this_network(), trees={"/opt/control-plane": source}))
    machine.run(f"ln -s {ROOT / '.venv'} /opt/control-plane/.venv")
    port = free_port()
    lines = {**environment, "BIND": f"127.0.0.1:{port}"}
    machine.write("/etc/control-plane/environment", "".join(f"{name}='{value}'\n" for name, value in lines.items()))
    for name, value in values.items():
        machine.write(f"/etc/control-plane/{name}", value + "\n")
    assert RELOAD is not None
    programs = {"systemctl": SYSTEMCTL.replace("{reload}", RELOAD[1]), "control-plane-manage": MANAGE}
    for name, text in programs.items():
        machine.write(f"/usr/local/bin/{name}", text)
    machine.run("chmod 0755 /usr/local/bin/*; chmod 0640 /etc/control-plane/*; mkdir -p /var/lib/control-plane")
    processes += [machine.start(SERVICE, log), machine.start(WORKER, log)]
    return Node(machine, stack.enter_context(machine.terminal()), port)


@dataclass
class Installation:
    """Two nodes, and what they work with."""

    nodes: list[Node]
    clients: Clients
    gitaly: FakeGitaly
    receiver: Receiver


def company(gitaly: FakeGitaly, receiver: Receiver) -> dict[str, Any]:
    rules = [{"name": "main", "push": ["maintainer"], "merge": ["maintainer"]}]
    return {
        "storages": [{"name": "default", "gitaly_address": gitaly.address, "gitaly_token": gitaly.token}],
        "users": [{"id": 7, "username": "ann", "email": "ann@example.com", "keys": [{"id": 11, "key": ED25519}]}],
        "groups": [{"path": "acme", "webhooks": [{"url": receiver.url, "token": "the webhook token"}]}],
        "projects": [{"id": 1, "path": "acme/rockets", "members": {"ann": "maintainer"}, "protected_branches": rules}],
    }


def commits(gitaly: FakeGitaly, relative_path: str) -> str:
    """A change of the branch main of a new repository, from its first commit to its second."""
    path = gitaly.make(relative_path)
    ids: list[str] = []
    for number in range(2):
        tree = git(path, "mktree")
        ids.append(git(path, "commit-tree", tree, "-m", f"commit {number}", *(["-p", ids[-1]] if ids else [])))
        git(path, "update-ref", f"refs/heads/{'main' if number == 0 else 'next'}", ids[-1])
    return f"{ids[0]} {ids[1]} refs/heads/main"


def git(path: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=tests", "-c", "user.email=tests@example.com"]
    command = ["git", "--git-dir", str(path), *identity, *arguments]
    return subprocess.run(command, input="", check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def installation(tmp_path: Path, source: Path) -> Iterator[Installation]:
    with ExitStack() as stack:
        cluster = PostgreSQL()
        stack.callback(cluster.remove)
        cluster.start()
        gitaly = stack.enter_context(running(tmp_path / "repositories", token="the first token of Gitaly"))
        receiver = stack.enter_context(receiving())
        environment = {
            "DATABASE_URL": cluster.url,
            "WEBHOOK_ALLOWED_TARGETS": "127.0.0.0/8",
            "REQUIRE_SECRETS": "true",
            "WEB_CONCURRENCY": "1",
            "VAR_DIR": "/var/lib/control-plane",
            **{f"{name.upper()}_FILE": f"/etc/control-plane/{name}" for name in NAMES},
        }
        values = {name: base64.b64encode(secrets.token_bytes(32)).decode() for name in NAMES} | {"encryption_keys": ""}
        log = tmp_path / "nodes.log"
        first = installed_node(stack, source, environment, values, log)
        first.machine.run("control-plane-manage migrate --verbosity 0")
        first.machine.run("control-plane-manage seed --rows-only -", text=yaml.safe_dump(company(gitaly, receiver)))
        second = installed_node(stack, source, environment, values, log)
        nodes = [first, second]
        wait_until(lambda: all(answers(node.port) for node in nodes), "both nodes")
        yield Installation(nodes, made_clients(first, second, tmp_path, values, gitaly), gitaly, receiver)


def made_clients(first: Node, second: Node, directory: Path, values: dict[str, str], gitaly: FakeGitaly) -> Clients:
    def made(command: str, text: str = "") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(first.machine.run(f"control-plane-manage {command} --json", text=text))
        return found

    (directory / "clients").mkdir()
    for name in SHARED:
        (directory / "clients" / name).write_text(values[name] + "\n")
    made("create_user root --email root@example.com --admin --password-stdin", PASSWORD + "\n")
    made("create_agent acme/rockets production")
    clients = Clients(
        Fleet([first.port, second.port]),
        directory / "clients",
        "",
        made("create_personal_access_token ann git --scope read_repository")["token"],
        made("create_agent_token acme/rockets production first")["token"],
        made("create_scim_token --group acme")["token"],
    )
    pulled = clients.pull()
    assert pulled.status == 200, pulled.body
    clients.changes = commits(gitaly, pulled.json()["gitaly"]["repository"]["relative_path"])
    clients.sign_in(PASSWORD)
    return clients


def blocks_of(heading: str) -> list[Block]:
    """The blocks of the page below a heading."""
    return [block for block in page("secrets") if block.heading.startswith(heading)]


def test_all_secrets_are_changed_and_no_request_is_refused(installation: Installation) -> None:
    first, clients = installation.nodes[0].machine, installation.clients
    before = secrets_of(first)
    ended = threading.Event()
    threads = clients.run(ended)
    try:
        type_the_page(installation)
    finally:
        ended.set()
        for thread in threads:
            thread.join(120)
    assert clients.refused == [], (len(clients.refused), clients.refused[:5], clients.asked)
    assert len(clients.asked) == 8
    assert min(clients.asked.values()) >= 20, clients.asked
    after = secrets_of(first)
    assert {name for name in NAMES if after[name] == before[name]} == set()
    assert first.run("ls /etc/control-plane").split() == sorted(("environment", *NAMES))
    webhooks_came(installation)
    former_secrets_are_refused(clients, before)


def secrets_of(machine: ScratchRoot) -> dict[str, str]:
    return {name: machine.run(f"cat /etc/control-plane/{name}") for name in NAMES}


def type_the_page(installation: Installation) -> None:
    """From its first block to its last; between them the clients change over, where the page says that they do."""
    nodes, clients, gitaly = installation.nodes, installation.clients, installation.gitaly
    terminals = {"": nodes[0].terminal, "every machine": Everywhere(nodes)}
    generate, copy, reload = blocks_of("Step 1")
    execute([block for block in page("secrets") if block.line < generate.line], {"": Everywhere(nodes)})
    execute([generate], terminals)
    assert "ssh" in copy.text
    copy_to_the_second(nodes)
    execute([reload], terminals)
    use, encrypt = blocks_of("Step 2")
    execute([use], terminals)
    for name in SHARED:
        replace(clients.secrets / name, secrets_of(nodes[0].machine)[name])
    execute([encrypt], terminals)
    keep_asking(clients)
    execute(blocks_of("Step 3"), terminals)
    clients.scim_token = scim_token(nodes[0].terminal.type(blocks_of("Tokens of SCIM")[0].text))
    gitaly.is_transitioning = True
    execute(blocks_of("Gitaly's token"), terminals)
    gitaly.token = nodes[0].machine.run("cat /root/gitaly_token").strip()
    gitaly.is_transitioning = False
    keep_asking(clients)


def replace(path: Path, text: str) -> None:
    """Change a client's file at once: it is read all the time."""
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").rename(path)


def copy_to_the_second(nodes: list[Node]) -> None:
    for name in NAMES:
        nodes[1].machine.write(f"/etc/control-plane/{name}.next", nodes[0].machine.run(f"cat /etc/control-plane/{name}.next"))


def keep_asking(clients: Clients, times: int = 5) -> None:
    """Wait until each client has asked some more."""
    goal = {name: number + times for name, number in clients.asked.items()}
    wait_until(lambda: all(clients.asked[name] >= number for name, number in goal.items()), "the clients")


def scim_token(printed: str) -> str:
    found = re.search(r"^token: (\S+)$", printed, re.MULTILINE)
    assert found is not None
    return found[1]


def webhooks_came(installation: Installation) -> None:
    """Each push that was reported is delivered, with the token that is stored encrypted."""
    expected = installation.clients.asked["report"]
    wait_until(lambda: len(installation.receiver.received) >= expected, "the webhooks")
    assert {received.headers["X-Gitlab-Token"] for received in installation.receiver.received} == {"the webhook token"}


def former_secrets_are_refused(clients: Clients, before: dict[str, str]) -> None:
    for name in SHARED:
        (clients.secrets / name).write_text(before[name])
    assert [clients.pull().status, clients.kas().status, clients.workhorse().status] == [401, 401, 403]


def test_the_program_takes_no_step_twice_and_none_too_early(tmp_path: Path) -> None:
    """It would forget a secret that is in use, or one that nobody knows yet."""
    (tmp_path / "gitlab_kas_secret").write_text("old\n")
    (tmp_path / "gitlab_kas_secret").chmod(0o640)

    def change(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [ROOT / "deploy" / "control-plane-secret", *arguments],
            env={"PATH": "/usr/sbin:/usr/bin:/bin", "CONTROL_PLANE_SECRETS": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stderr

    def contents() -> dict[str, str]:
        return {path.name.removeprefix("gitlab_kas_secret"): path.read_text() for path in tmp_path.iterdir()}

    assert "is missing" in change("use", "gitlab_kas_secret")[1]
    assert "is missing" in change("next", "gitlab_kas_secret", "elsewhere")[1]
    assert contents() == {"": "old\n"}
    assert change("next", "gitlab_kas_secret") == (0, "")
    new = contents()[".next"]
    assert len(base64.b64decode(new)) == 32
    assert (tmp_path / "gitlab_kas_secret.next").stat().st_mode & 0o777 == 0o640
    assert "is there already" in change("next", "gitlab_kas_secret")[1]
    assert "is not used yet" in change("forget", "gitlab_kas_secret")[1]
    assert change("use", "gitlab_kas_secret") == (0, "")
    assert contents() == {"": new, ".previous": "old\n"}
    assert "is still there" in change("next", "gitlab_kas_secret")[1]
    assert change("forget", "gitlab_kas_secret") == (0, "")
    assert contents() == {"": new}
    (tmp_path / "gitlab_kas_secret").write_text("\n")
    assert [change("next", "gitlab_kas_secret"), change("use", "gitlab_kas_secret")] == [(0, "")] * 2
    assert set(contents()) == {""}, "an empty file is no secret that could be accepted"
    assert change("drop", "gitlab_kas_secret")[0] == 1
    assert "control-plane-secret next NAME" in change("next")[1]
