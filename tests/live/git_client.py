"""What GitLab Shell does on a server, for real sshd and real git: which key is this, may it do that, then run git.

`authorized_keys` prints the line for sshd's AuthorizedKeysCommand, `authorized_principals` the one for a certificate; `run` is the
forced command of those lines.
It needs nothing but Python, since sshd runs it with an empty environment.
"""

import base64
import hashlib
import hmac
import json
import os
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any


def token(secret_file: str) -> str:
    """A token as GitLab Shell makes it."""

    def encode(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    now = int(time.time())
    signed = f"{encode({'alg': 'HS256', 'typ': 'JWT'})}.{encode({'iss': 'gitlab-shell', 'exp': now + 60, 'iat': now})}"
    digest = hmac.new(Path(secret_file).read_text().strip().encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def ask(api: str, secret_file: str, path: str, values: dict[str, Any] | None = None) -> tuple[int, Any]:
    """One request to the service."""
    headers = {"Content-Type": "application/json", "Gitlab-Shell-Api-Request": token(secret_file), "Connection": "close"}
    data = None if values is None else json.dumps(values).encode()
    request = urllib.request.Request(f"{api}/api/v4/internal/{path}", data=data, headers=headers)  # noqa: S310  http to ourselves
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310  likewise
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def authorized_keys(api: str, secret_file: str, root: str, key: str) -> int:
    """The line that lets a key in, or a comment."""
    status, answer = ask(api, secret_file, f"authorized_keys?{urllib.parse.urlencode({'key': key})}")
    if status != 200:
        sys.stdout.write(f"# No key was found for {key}\n")
        return 0
    command = shlex.join([sys.executable, __file__, "run", api, secret_file, root, f"key-{answer['id']}"])
    sys.stdout.write(f'command="{command}",no-port-forwarding,no-X11-forwarding,no-agent-forwarding,no-pty {answer["key"]}\n')
    return 0


def authorized_principals(api: str, secret_file: str, root: str, fingerprint: str, login: str) -> int:
    """The line that lets a certificate in, or nothing: its authority and the name it was made for, as gitlab-sshd asks."""
    named = {"key": fingerprint.removeprefix("SHA256:"), "user_identifier": login}
    status, answer = ask(api, secret_file, f"authorized_certs?{urllib.parse.urlencode(named)}")
    if status == 200:
        who = f"certificate-{answer['username']}@{answer['namespace']}"
        sys.stdout.write(f'command="{shlex.join([sys.executable, __file__, "run", api, secret_file, root, who])}",no-pty git\n')
    return 0


def session(who: str) -> dict[str, str]:
    """How a session names its actor."""
    if who.startswith("certificate-"):
        username, _, namespace = who.removeprefix("certificate-").partition("@")
        return {"username": username, "namespace_path": namespace}
    return {"key_id": who.removeprefix("key-")}


def run(api: str, secret_file: str, root: str, who: str) -> int:
    """The command that the SSH client asked for, if the service allows it."""
    original = shlex.split(os.environ.get("SSH_ORIGINAL_COMMAND", ""))
    if not original:
        _, person = ask(api, secret_file, f"discover?{urllib.parse.urlencode(session(who))}")
        sys.stdout.write(f"Welcome to GitLab, @{person['username']}!\n")
        return 0
    action, project = original
    question = {"action": action, "project": project, "changes": "_any", "protocol": "ssh", **session(who), "check_ip": "127.0.0.1"}
    status, answer = ask(api, secret_file, "allowed", question)
    if status != 200 or not answer["status"]:
        sys.stderr.write(f"remote: \nremote: {'=' * 72}\nremote: \nremote: {answer['message']}\nremote: \nremote: {'=' * 72}\nremote: \n")
        return 1
    for message in answer["gl_console_messages"]:
        sys.stderr.write(f"remote: {message}\n")
    repository = Path(root) / answer["gitaly"]["repository"]["relative_path"]
    options = [argument for option in answer["git_config_options"] for argument in ("-c", option)]
    command = ["git", *options, action.removeprefix("git-"), str(repository)]
    return subprocess.run(command, check=False, env={**os.environ, "GL_ID": who}).returncode  # the hooks ask for the same key


COMMANDS: dict[str, Callable[..., int]] = {"authorized_keys": authorized_keys, "authorized_principals": authorized_principals, "run": run}

if __name__ == "__main__":
    sys.exit(COMMANDS[sys.argv[1]](*sys.argv[2:]))
