"""The kernel's own checks: database, shared store, workers, secrets, and the service asked over its own address."""

import http.client
import os
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from internal_api import sshd_checks, stored_value_checks
from internal_api.doctor import Consultation, Finding, problem, register_check, warning, well
from internal_api.health import replica_measurement
from internal_api.json_input import InvalidJSONError, decode_embedded
from internal_api.models import InstanceSettings
from internal_api.replica_state import ReplicaCondition
from internal_api.secret_files import files_beside
from internal_api.service_secrets import secret_file_of, service_secrets
from internal_api.service_tokens import KAS, SHELL, Service, UnusableSecretError
from internal_api.shared_store import StoreState, shared_store
from internal_api.stored_value_checks import register_models
from internal_api.workers import LONG_WAIT, queue_state

CLOCK_SECONDS = 5
GOOD_LENGTH = 32
"""Bytes below which a shared secret is too short for HS256 (RFC 7518 3.2)."""
CHECK = "/api/v4/internal/check"


def _database(_: Consultation) -> Iterator[Finding]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT CURRENT_TIMESTAMP")
            (moment,) = cursor.fetchone()
    except (DatabaseError, OSError) as error:
        yield problem("database", f"does not answer: {str(error).splitlines()[0]}", "Start it, or correct DATABASE_URL.")
        return
    yield well("database", connection.vendor)
    if connection.vendor == "postgresql" and abs(moment.timestamp() - time.time()) > CLOCK_SECONDS:
        skew = moment.timestamp() - time.time()
        yield warning("database clock", f"differs from this machine's by {skew:+.0f} s", "Let both machines follow NTP.")
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        yield problem("migrations", f"{len(missing)} are missing", "Run manage.py migrate.")
    else:
        yield well("migrations", "all applied")


def _replica(_: Consultation) -> Iterator[Finding]:
    found = replica_measurement()
    if found is None:
        return
    behind = f"{found.lag or 0:.0f} s behind"
    match found.condition:
        case ReplicaCondition.READY:
            yield well("replica", behind)
        case ReplicaCondition.BEHIND:
            text = f"{behind}, above DATABASE_REPLICA_MAX_LAG ({settings.DATABASE_REPLICA_MAX_LAG} s); it is left alone"
            yield warning("replica", text, "Look at pg_stat_replication on the primary, and at long queries on the replica.")
        case ReplicaCondition.UNREACHABLE:
            yield warning("replica", "does not answer; the primary answers for it", "Start it, or correct DATABASE_REPLICA_URL.")


def _shared_store(_: Consultation) -> Iterator[Finding]:
    kind = "Redis" if settings.REDIS_URL else "the database"
    state = shared_store().state()
    if state is StoreState.READY:
        yield well("shared store", kind)
    elif settings.REDIS_URL:
        yield problem("shared store", _REDIS_IS[state], f"{_REDIS_ADVICE[state]}; until then pushes are counted in the database.")
    else:
        yield problem("shared store", "the database does not answer", "Look at the database.")


_REDIS_IS = {
    StoreState.UNREACHABLE: "Redis does not answer",
    StoreState.FULL: "Redis is full",
    StoreState.READ_ONLY: "Redis can only be read",
}
_REDIS_ADVICE = {
    StoreState.UNREACHABLE: "Start Redis, or correct REDIS_URL",
    StoreState.FULL: "Raise its maxmemory, or let nobody else fill it",
    StoreState.READ_ONLY: "Let REDIS_URL name the primary, or its sentinels, and see that its disk is not full",
}


def _workers(_: Consultation) -> Iterator[Finding]:
    state = queue_state()
    if not state.workers:
        yield problem("workers", f"none is alive; {state.ready} tasks wait", "Start manage.py db_worker.")
    else:
        yield well("workers", f"{state.workers} alive, {state.ready} tasks wait")
    if state.oldest_seconds > LONG_WAIT:
        yield warning("tasks", f"the oldest has waited for {state.oldest_seconds:.0f} s", "Start more workers.")
    if state.failed:
        yield warning("tasks", f"{state.failed} have failed for good", "Look at them on the admin site, then run manage.py retry_tasks.")


def _secrets(consultation: Consultation) -> Iterator[Finding]:
    yield from _secret("shell secret", SHELL, secret_file_of(SHELL))
    yield from _secret("kas secret", KAS, secret_file_of(KAS))
    if consultation.secret_file is not None:
        yield _same_secret(Path(consultation.secret_file))


def _secret(name: str, service: Service, path: Path | None) -> Iterator[Finding]:
    if path is None:
        yield problem(name, "no file is named", "Set GITLAB_SHELL_SECRET_FILE and GITLAB_KAS_SECRET_FILE.")
        return
    try:
        secret = service.secret_from(path.read_text())
    except FileNotFoundError:
        yield problem(name, f"{path} is missing", "Put the file there that the clients have.")
        return
    except (OSError, UnusableSecretError, UnicodeDecodeError) as error:
        yield problem(name, f"{path}: {error}", "Make the file readable for this user, with the secret alone in it.")
        return
    if len(secret) < GOOD_LENGTH:
        yield warning(name, f"{path} is short: {len(secret)} bytes", f"Make one of {GOOD_LENGTH} bytes, and give it to the clients.")
    elif path.stat().st_mode & 0o004:
        yield warning(name, f"{path} can be read by everybody on this machine", f"chmod o-r {path}")
    else:
        yield well(name, "; accepted too: ".join(str(file) for file in (path, *files_beside(path))))


def _same_secret(path: Path) -> Finding:
    """Whether the clients' file holds what ours holds."""
    name = "the clients' secret"
    try:
        theirs = SHELL.secret_from(path.read_text())
    except (OSError, UnusableSecretError, UnicodeDecodeError) as error:
        return problem(name, f"{path}: {error}", "Make the file readable for whoever runs GitLab Shell or Gitaly.")
    if theirs in service_secrets(SHELL):
        return well(name, f"{path} is the same as ours")
    return problem(name, f"{path} is another secret than ours", f"Copy {settings.GITLAB_SHELL_SECRET_FILE} there.")


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket, as `http+unix://` means it."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("unix", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def _connection(url: str, seconds: float) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme == "http+unix":
        return _UnixConnection(unquote(parts.netloc) + parts.path, seconds)
    if parts.scheme == "https":
        return http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=seconds, context=ssl.create_default_context())
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)


def _ask(url: str, seconds: float, host: str | None) -> _Answer:
    """Ask as GitLab Shell does."""
    prefix = "" if url.startswith("http+unix") else urlsplit(url).path.rstrip("/")
    headers = {"Gitlab-Shell-Api-Request": SHELL.issue(service_secrets(SHELL)[0])} | ({"Host": host} if host else {})
    asked = _connection(url, seconds)
    try:
        asked.request("GET", prefix + CHECK, headers=headers)
        response = asked.getresponse()
        return _Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read(65536))
    finally:
        asked.close()


def own_addresses() -> list[str]:
    """Where gunicorn listens, by the same BIND that it reads."""
    binds = os.environ.get("BIND", "localhost:3001").split(",")
    return [f"http+unix://{bind.removeprefix('unix:')}" if bind.startswith("unix:") else f"http://{bind}" for bind in binds]


def _service(consultation: Consultation) -> Iterator[Finding]:
    for url in consultation.urls or own_addresses():
        yield from _asked(url, consultation.seconds)


def _asked(url: str, seconds: float) -> Iterator[Finding]:
    answer = None
    try:
        answer = _ask(url, seconds, None)
        finding = _judged(url, answer)
        if not finding.advice and not url.startswith("http+unix") and _ask(url, seconds, "unix").status != HTTPStatus.OK:
            finding = problem(url, "does not answer to `Host: unix`", "Add unix to ALLOWED_HOSTS, and let a proxy pass the Host header on.")
    except ssl.SSLError as error:
        finding = _tls_failure(url, error, seconds)
    except (OSError, http.client.HTTPException, ValueError) as error:
        text = f"cannot be reached: {str(error) or type(error).__name__}"
        finding = problem(url, text, "Start the service, or name the address that gitlab_url has with --url.")
    yield finding
    if answer is not None and (skew := _skew(answer)) is not None and abs(skew) > CLOCK_SECONDS:
        yield warning("clock", f"{url} is {skew:+.0f} s off; tokens hold for a minute", "Let both machines follow NTP.")


def _tls_failure(url: str, error: ssl.SSLError, seconds: float) -> Finding:
    """Return what is wrong where TLS was tried and failed: the certificate, the scheme of the URL, or TLS itself."""
    if isinstance(error, ssl.SSLCertVerificationError):
        advice = (
            "Let SSL_CERT_FILE name the authority of the certificate, the certificate name the host of the URL, and renew it "
            "before it expires; the clients check the same."
        )
        return problem(url, f"the certificate is not accepted: {error.verify_message or error.reason}", advice)
    plain = urlsplit(url)._replace(scheme="http")
    if _serves_plain_http(plain.netloc, seconds):
        return problem(url, "serves plain HTTP", f"Use {plain.geturl()} here and as gitlab_url, or let a proxy serve TLS there.")
    advice = "Look at the log of what serves TLS there: its versions of TLS, its ciphers, or whether it asks for a client certificate."
    return problem(url, f"TLS failed: {error.reason or error}", advice)


def _serves_plain_http(netloc: str, seconds: float) -> bool:
    """Return whether plain HTTP is answered there. No token is sent without TLS to a URL that was meant to have it."""
    connection_to = _connection(f"http://{netloc}", seconds)
    try:
        connection_to.request("GET", "/")
        connection_to.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    else:
        return True
    finally:
        connection_to.close()


def _skew(answer: _Answer) -> float | None:
    told = answer.headers.get("date")
    return parsedate_to_datetime(told).timestamp() - time.time() if told else None


def _judged(url: str, answer: _Answer) -> Finding:
    if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
        advice = "No client follows a redirect: let gitlab_url name the last address, and a proxy redirect nothing below /api."
        return problem(url, f"redirects to {answer.headers.get('location', 'somewhere')}", advice)
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return problem(url, "refuses our token", "The running service read another secret: reload it, and compare the files.")
    body = _json(answer)
    if body is None:
        advice = "Something else listens there, or a proxy answers by itself. This is what clients call `API is not accessible`."
        return problem(url, f"answers {answer.status} and no JSON", advice)
    if answer.status != HTTPStatus.OK or "api_version" not in body:
        return problem(url, f"answers {answer.status}: {body.get('message', body)}", "Look at the service's log.")
    return well(url, f"token accepted, version {body.get('gitlab_version')}")


def _json(answer: _Answer) -> dict[str, Any] | None:
    try:
        body = decode_embedded(answer.body)
    except InvalidJSONError:
        return None
    return body if isinstance(body, dict) else None


def register() -> None:
    """Make the checks known."""
    for order, (name, check) in enumerate(
        {
            "database": _database,
            "replica": _replica,
            "shared store": _shared_store,
            "workers": _workers,
            "secrets": _secrets,
            "service": _service,
        }.items()
    ):
        register_check(name, order, check)
    register_models(InstanceSettings)
    register_check(stored_value_checks.NAME, 9, stored_value_checks.check_stored_values)
    register_check(sshd_checks.NAME, 20, sshd_checks.check_sshd)
