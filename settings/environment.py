"""The one place where the environment is read: every setting an operator can change, its default and its meaning."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

from internal_api.secret_files import secrets_beside, write_secret

BASE_DIR = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Option:
    """One setting: how it is called, what kind of value it takes, and what it does. docs/reference/settings.md is made from these."""

    name: str
    kind: type
    default: object
    meaning: str


OPTIONS: tuple[Option, ...] = (
    Option("DATABASE_URL", str, "sqlite:///var/db.sqlite3", "Where state is kept; PostgreSQL in production"),
    Option("DATABASE_POOL_SIZE", int, 0, "Connections of psycopg's pool per process; 0 keeps one connection per thread"),
    Option("DATABASE_REPLICA_URL", str, "", "A read replica that answers `authorized_keys`, `discover` and SCIM's reads"),
    Option("DATABASE_REPLICA_MAX_LAG", int, 30, "Seconds behind the primary above which the replica is left alone; 0 sets no limit"),
    Option("DATABASE_PREPARED_STATEMENTS", bool, True, "Prepare statements once per connection; false behind a pooler that cannot"),
    Option(
        "DATABASE_LISTEN_URL",
        str,
        "",
        "PostgreSQL itself, for workers to be woken, where `DATABASE_URL` leads to a pooler in transaction mode",
    ),
    Option("REDIS_URL", str, "", "Where volatile shared state is kept (Redis, also by its sentinels); empty keeps it in the database"),
    Option("EXTERNAL_URL", str, "http://localhost:3001", "The address people's browsers and Git clients use"),
    Option("SSH_URL", str, "ssh://git@localhost", "The SSH address Git clients use: user, host and port"),
    Option("ALLOWED_HOSTS", list, ["localhost", "127.0.0.1", "[::1]", "unix"], "Host headers that are answered, beside EXTERNAL_URL's"),
    Option("SECRET_KEY", str, "", "Signs sessions and encrypts what is stored encrypted; made under VAR_DIR when empty"),
    Option("SECRET_KEY_FALLBACKS", list, [], "Other values of SECRET_KEY that are accepted; so are those in the files beside it"),
    Option("ENCRYPTION_KEYS", list, [], "Keys of encrypted columns, the first for writing; empty leaves it to SECRET_KEY"),
    Option(
        "GITLAB_SHELL_SECRET_FILE",
        str,
        ".gitlab_shell_secret",
        "File with the secret shared with GitLab Shell and Gitaly; `.next` and `.previous` beside it hold others that are accepted",
    ),
    Option("GITLAB_SHELL_PREVIOUS_SECRET_FILE", str, "", "File with a second secret that is accepted during a rotation"),
    Option("GITLAB_KAS_SECRET_FILE", str, ".gitlab_kas_secret", "File with the secret shared with kas (base64 of 32 bytes); likewise"),
    Option("GITLAB_KAS_PREVIOUS_SECRET_FILE", str, "", "File with a second kas secret that is accepted during a rotation"),
    Option(
        "GITLAB_WORKHORSE_SECRET_FILE",
        str,
        ".gitlab_workhorse_secret",
        "File with the secret shared with GitLab Workhorse (base64 of 32 bytes); empty without Git over HTTP",
    ),
    Option("GITLAB_WORKHORSE_PREVIOUS_SECRET_FILE", str, "", "File with a second Workhorse secret that is accepted during a rotation"),
    Option("GIT_HTTP_FAILURES", int, 10, "Wrong credentials of Git over HTTP after which an address is banned; 0 for never"),
    Option("GIT_HTTP_FAILURES_SECONDS", int, 60, "Seconds within which these failures are counted"),
    Option("GIT_HTTP_BAN_SECONDS", int, 3600, "Seconds for which credentials from a banned address are refused"),
    Option(
        "KAS_ADDRESS", str, "", "Address of kas' own API (`api.listen`), `grpc://host:port` or `grpcs://host:port`; empty tells it nothing"
    ),
    Option("KAS_API_SECRET_FILE", str, "", "File with the secret of that API (base64 of 32 bytes); empty for GITLAB_KAS_SECRET_FILE"),
    Option("KAS_TIMEOUT", int, 5, "Seconds that kas may take for one message"),
    Option("REQUIRE_SECRETS", bool, False, "Refuse to start when a secret is missing, instead of making one"),
    Option("VAR_DIR", str, "var", "Directory of generated secrets, the SQLite database and collected static files"),
    Option("STATIC_ROOT", str, "", "Directory of collected static files; empty for `static` in VAR_DIR"),
    Option("GITLAB_VERSION", str, "18.9.0", "Version told by /check"),
    Option("GITLAB_REVISION", str, "0000000000", "Revision told by /check"),
    Option("DECISION_SECONDS", int, 50, "Seconds that one decision of /allowed may take, waiting for Gitaly included"),
    Option("GITALY_TIMEOUT", int, 10, "Seconds that one question to Gitaly may take within a decision"),
    Option("WEB_THREADS", int, 8, "Threads of each gunicorn process; at most half of them wait for Gitaly at any moment"),
    Option(
        "DRAIN_SECONDS", int, 5, "Seconds for which a node that is told to stop still serves, while `/readyz` sends load balancers away"
    ),
    Option("STRANGERS_PER_SECOND", int, 50, "Answers of each process to callers without a credential that holds; 0 sets no pace"),
    Option("LFS_TOKEN_TTL", int, 1800, "Life of an LFS token in seconds"),
    Option("LFS_STORAGE_PATH", str, "", "Directory of LFS objects and their uploads; empty for `lfs-objects` in VAR_DIR"),
    Option(
        "LFS_S3_BUCKET",
        str,
        "",
        "Bucket of an S3-compatible storage for LFS objects, with `requirements/s3.txt`; empty for LFS_STORAGE_PATH",
    ),
    Option("LFS_S3_ENDPOINT", str, "", "URL of that storage; empty for Amazon's"),
    Option("LFS_S3_REGION", str, "", "Region of the bucket"),
    Option("LFS_S3_ACCESS_KEY", str, "", "Access key of the bucket; without it boto3 looks for credentials where it always does"),
    Option("LFS_S3_SECRET_KEY", str, "", "Secret key that goes with it"),
    Option("LFS_S3_PATH_STYLE", bool, False, "Name the bucket in the path of URLs, as MinIO and Ceph want it, and not in the host name"),
    Option("LFS_PROXY_DOWNLOAD", bool, False, "Let Workhorse fetch objects from the bucket, instead of sending clients there"),
    Option("LFS_OBJECT_GRACE_DAYS", int, 7, "Days for which `clean_up` keeps an LFS object that no repository has any more"),
    Option("LFS_EMBEDDED_UPLOADS", bool, False, "Take uploads of LFS objects without GitLab Workhorse in front, for small installations"),
    Option("LFS_TRANSFERS", int, 3, "LFS objects that each process moves itself at a time, without Workhorse; each takes a thread"),
    Option(
        "SCIM_TOKEN_GRACE", int, 3600, "Seconds for which a rotated SCIM token is still valid; `create_scim_token --now` rotates without"
    ),
    Option("AUDIT_EVENT_RETENTION_DAYS", int, 365, "Age at which `clean_up` removes audit events; 0 keeps them"),
    Option("PUSH_EVENT_RETENTION_DAYS", int, 365, "Age at which `clean_up` removes push events; 0 keeps them"),
    Option("PUSH_RECOVERY_AFTER", int, 240, "Seconds after which Gitaly is asked what became of a push that it has not reported"),
    Option("REFUSALS_KEPT", int, 10_000, "Latest refusals that `clean_up` keeps; 0 keeps all"),
    Option("WORKER_PROCESSES", int, 0, "Processes of one `db_worker`; 0 for as many as the CPUs that it may use, as with WEB_CONCURRENCY"),
    Option("WORKER_METRICS_PORT", int, 0, "Port on which a `db_worker` tells Prometheus what it has counted; 0 opens none"),
    Option("WORKER_METRICS_HOST", str, "127.0.0.1", "IP address of that port; MONITORING_ALLOWLIST says who is answered"),
    Option("WORKER_DEAD_AFTER", int, 60, "Seconds without a sign of life after which a worker's task goes to another"),
    Option("TASK_RESULT_RETENTION_DAYS", int, 7, "Age at which `clean_up` removes finished tasks; 0 keeps them"),
    Option("WEBHOOK_DELIVERIES_PER_PUSH", int, 3, "Refs of one push that a webhook is told of one by one; of more it gets one summary"),
    Option("WEBHOOK_TIMEOUT", int, 10, "Seconds for one webhook delivery, answer included"),
    Option("WEBHOOK_FAILURES", int, 40, "Failures in a row after which a webhook is switched off"),
    Option("WEBHOOK_ALLOWED_TARGETS", list, [], "Hosts, host:port or ranges inside the network that webhooks may call"),
    Option("WEBHOOK_DELIVERY_RETENTION_DAYS", int, 30, "Age at which `clean_up` removes webhook deliveries; 0 keeps them"),
    Option("TRUSTED_ADDRESSES", list, ["127.0.0.0/8", "::1/128"], "Callers that stand for many people: no rate limit by address"),
    Option(
        "MONITORING_ALLOWLIST",
        list,
        ["127.0.0.0/8", "::1/128"],
        "Addresses that may read /metrics and /metrics/database, and the metrics of workers",
    ),
    Option("LOG_LEVEL", str, "INFO", "Least severe log line that is written"),
    Option("LOG_FORMAT", str, "json", "json for one object a line, text for people at a terminal"),
    Option("DEBUG", bool, False, "Django's debug pages; never in production"),
)

SECRETS = frozenset(
    {"SECRET_KEY", "ENCRYPTION_KEYS", "DATABASE_URL", "DATABASE_REPLICA_URL", "DATABASE_LISTEN_URL", "REDIS_URL"}
    | {"LFS_S3_ACCESS_KEY", "LFS_S3_SECRET_KEY"}
)
"""Settings that may also come as a file, named by the setting's name and _FILE."""


class Environment:
    """Typed reading of the options above; an unknown name is a mistake of ours and raises KeyError."""

    def __init__(self) -> None:
        self._options = {option.name: option for option in OPTIONS}
        self._env = environ.FileAwareEnv()

    def _read(self, name: str, kind: type) -> object:
        option = self._options[name]
        if option.kind is not kind:
            raise TypeError(f"{name} is a {option.kind.__name__}")
        reader = {str: self._env.str, int: self._env.int, bool: self._bool, list: self._env.list}[kind]
        return reader(name, default=option.default)

    def _bool(self, name: str, default: object) -> bool:
        text = str(self._env.str(name, default=str(default))).strip().lower()
        if text not in {"true", "false"}:
            raise ImproperlyConfigured(f"{name} must be true or false.")
        return text == "true"

    def text(self, name: str) -> str:
        return str(self._read(name, str))

    def number(self, name: str) -> int:
        value = self._read(name, int)
        assert isinstance(value, int)
        return value

    def flag(self, name: str) -> bool:
        return bool(self._read(name, bool))

    def items(self, name: str) -> list[str]:
        values = self._read(name, list)
        assert isinstance(values, list)
        return [str(value).strip() for value in values if str(value).strip()]

    def secrets_beside(self, name: str, default: Path | None = None) -> list[str]:
        """Return the secrets in the files beside the one that NAME_FILE names, else beside `default`."""
        named = os.environ.get(f"{name}_FILE")
        try:
            return list(secrets_beside(Path(named) if named else default))
        except (OSError, ValueError) as error:
            raise ImproperlyConfigured(str(error)) from error

    def path(self, name: str) -> Path | None:
        """An absolute path; a relative one is taken from the project's directory. None when the option is empty."""
        text = self.text(name)
        return BASE_DIR / text if text else None


def secret_in(path: Path, *, required: bool, length: int = 48) -> str:
    """The secret kept in a file, made with mode 0600 when the file is missing and secrets are not required to exist."""
    if path.exists():
        secret = path.read_text().strip()
        if not secret:
            raise ImproperlyConfigured(f"{path} holds an empty secret.")
        return secret
    if required:
        raise ImproperlyConfigured(f"{path} is missing and REQUIRE_SECRETS is true.")
    return write_secret(path, secrets.token_urlsafe(length))
