"""What Gitaly's hooks do, as a program for git's own: /allowed, /pre_receive, then /post_receive.

Shaped by tests/recordings/shell-*.jsonl (Gitaly 18.9.0-rc4): names and order of headers and keys,
the X-Request-Id and the address of the SSH connection that the push came over, exactly one attempt
at each call, and what the pusher reads when a call fails. What it cannot show: custom hooks,
Praefect's votes, object pools. Of a push over HTTP it sends what workhorse-push.jsonl shows: protocol `http`, the user
as actor, and the context that Workhorse attaches, empty strings and all.
"""

import json
import os
import shlex
import sys
import uuid
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.live.git_client import Client, UnreachableError, ask

GITALY_AGENT = "gitaly/18.9.0-rc4"


def gitaly(api: str, secret_file: str) -> Client:
    """Return Gitaly as a caller: it never asks twice."""
    request_id = os.environ.get("CORRELATION_ID") or uuid.uuid4().hex
    address = os.environ.get("REMOTE_IP", "")
    return Client(api, secret_file, request_id, GITALY_AGENT, 1, address)


def actor(gl_id: str) -> dict[str, str]:
    """Return how /allowed names who pushes: `key-12` or `user-7`."""
    kind, _, number = gl_id.partition("-")
    return {f"{kind}_id": number}


def quarantine() -> str:
    """Return the two variables as Gitaly passes them on: relative to the repository."""
    here = Path.cwd()
    directory = os.environ.get("GIT_OBJECT_DIRECTORY")
    alternates = os.environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", "")
    relative = [os.path.relpath(one, here) for one in alternates.split(":") if one]
    variables = {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES_RELATIVE": relative or None,
        "GIT_OBJECT_DIRECTORY_RELATIVE": os.path.relpath(directory, here) if directory else "",
    }
    return json.dumps(variables, separators=(",", ":"))


def push_options() -> list[str]:
    """Return what `git push -o` was given."""
    count = int(os.environ.get("GIT_PUSH_OPTION_COUNT", "0"))
    return [os.environ[f"GIT_PUSH_OPTION_{number}"] for number in range(count)]


def problem(status: int, answer: Any) -> str:
    """Return the text that Gitaly takes from an answer that is an error (contract: gitaly 1.6)."""
    if isinstance(answer, dict) and isinstance(answer.get("message", ""), str):
        return str(answer.get("message", ""))
    return f"Internal API error ({status})"


def call(client: Client, path: str, values: dict[str, Any]) -> tuple[Any, str | None]:
    """Return the answer and None, or None and the text of an error."""
    try:
        status, answer = ask(client, path, values)
    except UnreachableError as error:
        return None, str(error)
    return (answer, None) if status == 200 else (None, problem(status, answer))


def context() -> dict[str, str]:
    """Return what Gitaly passes on from Workhorse; nothing of a push over SSH."""
    given = os.environ.get("GITALY_CLIENT_CONTEXT")
    return {"gitaly_client_context_bin": given} if given else {}


def pre_receive(client: Client, repository: str, changes: str) -> int:
    """Ask whether these refs may be changed, then count the push."""
    values: dict[str, Any] = {
        "action": "git-receive-pack",
        "gl_repository": repository,
        "project": str(Path.cwd()),
        "changes": changes,
        "protocol": os.environ.get("GL_PROTOCOL") or "ssh",
        "relative_path": str(Path.cwd()).partition("/repositories/")[2],
        "env": quarantine(),
        **actor(os.environ["GL_ID"]),
        **context(),
        **({"push_options": push_options()} if push_options() else {}),
    }
    answer, error = call(client, "allowed", values)
    if error is None and not answer["status"]:
        error = answer["message"]
    if error is not None:
        sys.stderr.write(f"GitLab: {error}")
        return 1
    answer, error = call(client, "pre_receive", {"gl_repository": repository})
    if error is not None:
        inner = f"http post to gitlab api /pre_receive endpoint: {error}"
        sys.stderr.write(f"calling pre_receive endpoint: {inner}")
        return 1
    return 0 if answer["reference_counter_increased"] else 1


def post_receive(client: Client, repository: str, changes: str) -> int:
    """Report which refs have changed and print what the service has to say."""
    values = {
        "changes": changes,
        "gitaly_client_context_bin": context().get("gitaly_client_context_bin"),
        "gl_repository": repository,
        "identifier": os.environ["GL_ID"],
        "push_options": push_options() or None,
    }
    answer, error = call(client, "post_receive", values)
    if error is not None:
        sys.stderr.write(f"GitLab: http post to gitlab api /post_receive endpoint: {error}")
        return 1
    for message in answer["messages"]:
        sys.stdout.write(f"\n{message['message']}\n\n")
    return 0


def install(repository: Path, api: str, secret_file: Path, gl_repository: str) -> None:
    """Have git ask the service on every push to a bare repository."""
    for name in HOOKS:
        script = repository / "hooks" / name
        script.parent.mkdir(exist_ok=True)
        words = [sys.executable, str(Path(__file__).resolve()), name, api, str(secret_file)]
        script.write_text(f"#!/bin/sh\nexec {shlex.join([*words, gl_repository])}\n")
        script.chmod(0o755)


HOOKS = {"pre-receive": pre_receive, "post-receive": post_receive}

if __name__ == "__main__":
    hook, api, secret, repository = sys.argv[1:]
    sys.exit(HOOKS[hook](gitaly(api, secret), repository, sys.stdin.read()))
