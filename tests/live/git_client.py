"""What gitlab-sshd does, for Debian's sshd and git: look up the key, ask for access, run git.

`authorized_keys` prints the line for sshd's AuthorizedKeysCommand, `authorized_principals` the one
for a certificate; `run` is the forced command of those lines. It needs nothing but Python, since
sshd runs it with an empty environment.

Shaped by tests/recordings/shell-*.jsonl (gitlab-sshd 14.56.1): names and order of headers, order of
keys, one X-Request-Id for all calls of an SSH connection, three attempts with the same token and
body after 429, 5xx and a broken connection, Retry-After obeyed without a limit, the frame round an
error. What it cannot show: sshd asks for each key twice (gitlab-sshd once), a certificate's plain
key is not looked up first, the *_check commands share the connection's request id (the real ones
have one a process), git talks to its repository without Gitaly's gRPC between, packfile
statistics (zeros in audit events), 2fa_verify and the other commands that are not git's.
"""

import base64
import gzip
import hashlib
import hmac
import http.client
import json
import os
import shlex
import subprocess
import sys
import time
import urllib.parse
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

SHELL_AGENT = "GitLab-Shell"
SHELL_ATTEMPTS = 3
FIRST_WAIT_SECONDS = 1.0
NOT_COUNTED = {"payload_size": 0, "packets": 0, "wants": 0}
UNREACHABLE = "Internal API unreachable"
_TOO_MANY, _FAULT, _NOT_IMPLEMENTED = 429, 500, 501


class UnreachableError(Exception):
    """No answer, or none that the client could use, after all attempts."""

    def __init__(self) -> None:
        super().__init__(UNREACHABLE)


class Client(NamedTuple):
    """Who calls: the service's URL, the file with the shell secret, and what the headers say."""

    api: str
    secret_file: str
    request_id: str
    agent: str = SHELL_AGENT
    attempts: int = SHELL_ATTEMPTS
    forwarded_for: str = ""


def token(secret_file: str) -> str:
    """Return a token as GitLab Shell makes it."""

    def encode(value: object) -> str:
        text = json.dumps(value, separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    now = int(time.time())
    claims = {"iss": "gitlab-shell", "exp": now + 60, "iat": now}
    signed = f"{encode({'alg': 'HS256', 'typ': 'JWT'})}.{encode(claims)}"
    secret = Path(secret_file).read_text().strip().encode()
    digest = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def go_json(value: object) -> bytes:
    """Return JSON as Go writes it: no white space, `<`, `>` and `&` escaped, the rest in UTF-8."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8", "replace")


def _send(client: Client, path: str, body: bytes | None, jwt: str) -> tuple[int, str | None, Any]:
    """One attempt: status, Retry-After, body. Raises OSError and HTTPException."""
    url = urllib.parse.urlsplit(client.api)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=300)
    method = "GET" if body is None else "POST"
    with closing(connection):
        connection.putrequest(method, f"/api/v4/internal/{path}", skip_host=True, skip_accept_encoding=True)
        headers = {
            "Host": url.netloc,
            "User-Agent": client.agent,
            "Connection": "close",
            "Content-Length": "" if body is None else str(len(body)),
            "Content-Type": "application/json",
            "Gitlab-Shell-Api-Request": jwt,
            "X-Forwarded-For": client.forwarded_for,
            "X-Request-Id": client.request_id,
            "Accept-Encoding": "gzip",
        }
        for name, value in headers.items():
            if value:
                connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        content = response.read()
        if response.headers["Content-Encoding"] == "gzip":
            content = gzip.decompress(content)
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        return response.status, response.headers["Retry-After"], answer


def _is_temporary(status: int) -> bool:
    return status == _TOO_MANY or (status >= _FAULT and status != _NOT_IMPLEMENTED)


def ask(client: Client, path: str, values: dict[str, Any] | None = None) -> tuple[int, Any]:
    """Call the service: status and JSON. Raises UnreachableError.

    With one attempt (Gitaly) every answer is returned; with more, what is temporary is tried
    again and in the end counts as unreachable.
    """
    jwt, body = token(client.secret_file), None if values is None else go_json(values)
    wait = FIRST_WAIT_SECONDS
    for attempt in range(client.attempts):
        last = attempt == client.attempts - 1
        try:
            status, retry_after, answer = _send(client, path, body, jwt)
        except (OSError, http.client.HTTPException):
            retry_after = None
        else:
            if not _is_temporary(status) or client.attempts == 1:
                return status, answer
        if not last:
            time.sleep(float(retry_after) if retry_after and retry_after.isdigit() else wait)
            wait *= 2
    raise UnreachableError


def _process(number: int) -> tuple[str, int, str]:
    """Return name, parent and start time of a process (proc(5))."""
    before, _, after = Path(f"/proc/{number}/stat").read_text().rpartition(")")
    fields = after.split()
    return before.partition("(")[2], int(fields[1]), fields[19]


def connection_id() -> str:
    """Return one id for everything that an SSH connection does, whatever sessions share it.

    sshd has one process a connection, the child of the listener: sessions of a ControlMaster and
    AuthorizedKeysCommand are its descendants. Without /proc each process has an id of its own.
    """
    connection, number = "", os.getppid()
    try:
        name, parent, started = _process(number)
        while not name.startswith("sshd") and parent > 1:
            number = parent
            name, parent, started = _process(number)
        while name.startswith("sshd") and parent > 1:
            above = _process(parent)
            if not above[0].startswith("sshd"):
                break
            connection = f"{number} {started}"
            number = parent
            name, parent, started = above
    except OSError:
        connection = ""
    seed = connection.encode() or uuid.uuid4().bytes
    return base64.b32encode(hashlib.sha256(seed).digest()).decode()[:26]


def shell_client(api: str, secret_file: str) -> Client:
    """Return gitlab-sshd as a caller."""
    return Client(api, secret_file, connection_id())


def fail(message: str, code: int = 1) -> int:
    """Print an error in the frame that people see and return the exit code."""
    frame = f"remote: \nremote: {'=' * 72}\nremote: \n"
    sys.stderr.write(f"{frame}remote: ERROR: {message}\n\n{frame}")
    return code


def authorized_keys(api: str, secret_file: str, root: str, key: str) -> int:
    """Print the line that lets a key in, or a comment."""
    path = f"authorized_keys?{urllib.parse.urlencode({'key': key})}"
    try:
        status, answer = ask(shell_client(api, secret_file), path)
    except UnreachableError:
        return 1
    if status != 200:
        sys.stdout.write(f"# No key was found for {key}\n")
        return 0
    forced = [sys.executable, __file__, "run", api, secret_file, root, f"key-{answer['id']}"]
    options = "no-port-forwarding,no-X11-forwarding,no-agent-forwarding,no-pty"
    sys.stdout.write(f'command="{shlex.join(forced)}",{options} {answer["key"]}\n')
    return 0


def authorized_keys_check(api: str, secret_file: str, root: str, expected: str, actual: str, key: str) -> int:
    """Print what gitlab-shell-authorized-keys-check prints (contract: gitlab-shell 4.2)."""
    return authorized_keys(api, secret_file, root, key) if expected == actual else 0


def authorized_principals_check(api: str, secret_file: str, root: str, key_id: str, *principals: str) -> int:
    """Print what gitlab-shell-authorized-principals-check prints: it takes the key id for a user name, and asks nobody."""
    forced = shlex.join([sys.executable, __file__, "run", api, secret_file, root, f"username-{key_id}"])
    options = "no-port-forwarding,no-X11-forwarding,no-agent-forwarding,no-pty"
    for principal in principals:
        sys.stdout.write(f'command="{forced}",{options} {principal}\n')
    return 0


def authorized_principals(api: str, secret_file: str, root: str, fingerprint: str, login: str) -> int:
    """Print the line that lets a certificate in, or nothing."""
    named = {"key": fingerprint.removeprefix("SHA256:"), "user_identifier": login}
    path = f"authorized_certs?{urllib.parse.urlencode(named)}"
    try:
        status, answer = ask(shell_client(api, secret_file), path)
    except UnreachableError:
        return 1
    if status == 200:
        who = f"certificate-{answer['username']}@{answer['namespace']}"
        forced = shlex.join([sys.executable, __file__, "run", api, secret_file, root, who])
        sys.stdout.write(f'command="{forced}",no-pty git\n')
    return 0


def session(who: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return how a session names its actor, and what it adds for a certificate."""
    if who.startswith("certificate-"):
        username, _, namespace = who.removeprefix("certificate-").partition("@")
        return {"username": username}, {"namespace_path": namespace}
    if who.startswith("username-"):
        return {"username": who.removeprefix("username-")}, {}
    return {"key_id": who.removeprefix("key-")}, {}


def greet(client: Client, actor: dict[str, str]) -> int:
    """Say hello, for a connection without a command."""
    try:
        status, answer = ask(client, f"discover?{urllib.parse.urlencode(actor)}")
    except UnreachableError as error:
        return fail(f"Failed to get username: {error}")
    if status != 200:
        return fail(f"Failed to get username: {answer['message']}")
    name = f"@{answer['username']}" if answer else "Anonymous"
    sys.stdout.write(f"Welcome to GitLab, {name}!\n")
    return 0


def run_git(client: Client, root: str, action: str, answer: dict[str, Any], address: str) -> int:
    """Run git in the repository of an allowed command, with what its hooks will need."""
    repository = Path(root) / answer["gitaly"]["repository"]["relative_path"]
    options = [word for option in answer["git_config_options"] for word in ("-c", option)]
    key = answer.get("gl_key_id")
    environment = {
        **os.environ,
        "GL_ID": f"key-{key}" if key else answer["gl_id"],
        "CORRELATION_ID": client.request_id,
        "REMOTE_IP": address,
    }
    command = ["git", *options, action.removeprefix("git-"), str(repository)]
    return subprocess.run(command, check=False, env=environment).returncode


def report(client: Client, action: str, answer: dict[str, Any], address: str) -> None:
    """Send the audit event that the answer asked for; nobody waits for its answer."""
    key = answer.get("gl_key_id")
    event = {
        "action": action,
        "protocol": "ssh",
        "gl_repository": answer["gl_repository"],
        "username": answer["gl_username"],
        **({"key_id": key} if key else {}),
        **({"packfile_stats": NOT_COUNTED} if action == "git-upload-pack" else {}),
        "check_ip": address,
        "changes": "_any",
    }
    try:
        ask(client, "shellhorse/git_audit_event", event)
    except UnreachableError as error:
        sys.stderr.write(f"{error}\n")


def run(api: str, secret_file: str, root: str, who: str) -> int:
    """Run the command that the SSH client asked for, if the service allows it."""
    client = shell_client(api, secret_file)
    actor, certificate = session(who)
    original = shlex.split(os.environ.get("SSH_ORIGINAL_COMMAND", ""))
    if not original:
        return greet(client, actor)
    action, project = original
    address, port, *_ = os.environ["SSH_CONNECTION"].split()
    values = {
        "action": action,
        "project": project,
        "changes": "_any",
        "protocol": "ssh",
        **actor,
        "check_ip": address,
        **certificate,
    }
    try:
        status, answer = ask(client, "allowed", values)
    except UnreachableError as error:
        return fail(str(error))
    if status != 200 or not answer["status"]:
        return fail(answer["message"])
    if answer["gl_console_messages"]:
        lines = ["", *answer["gl_console_messages"], ""]
        sys.stderr.write("".join(f"remote: {line}\n" for line in lines))
    code = run_git(client, root, action, answer, f"{address}:{port}")
    if answer["need_audit"] and code == 0:
        report(client, action, answer, address)
    return code


COMMANDS: dict[str, Callable[..., int]] = {
    "authorized_keys": authorized_keys,
    "authorized_keys_check": authorized_keys_check,
    "authorized_principals_check": authorized_principals_check,
    "authorized_principals": authorized_principals,
    "run": run,
}

if __name__ == "__main__":
    sys.exit(COMMANDS[sys.argv[1]](*sys.argv[2:]))
