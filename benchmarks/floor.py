"""The floor: bare WSGI that checks the same token, runs one statement, and builds the same JSON. It decides nothing.

No framework can be cheaper than this. It runs under the service's own gunicorn settings and never imports Django. `FLOOR` names a JSON
file that the bench writes: where the servers are, the secrets, and the service's own statements, which are what an optimal one would be.
"""

import base64
import hashlib
import hmac
import json
import os
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import psycopg
import redis

Start = Callable[..., Any]
Environ = dict[str, Any]
Answer = Callable[[Environ, dict[str, Any]], Any]

_OPTIONS: Any = {"verify_iat": False, "verify_sub": False, "verify_jti": False}
_FEATURES: dict[str, str] = {}


class Floor:
    """One process' connections, and an answer for each endpoint."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self.configuration = configuration
        self.statements: dict[str, str] = configuration["statements"]
        self.shell = configuration["shell_secret"].encode()
        self.kas = base64.b64decode(configuration["kas_secret"])
        self.scim_digest = hashlib.sha256(configuration["scim_token"].encode()).hexdigest()
        self.local = threading.local()
        self.redis = redis.Redis.from_url(configuration["redis"], decode_responses=True)
        self.answers: dict[str, Answer] = {
            "/api/v4/internal/allowed": self.allowed,
            "/api/v4/internal/authorized_keys": self.authorized_keys,
            "/api/v4/internal/discover": self.discover,
            "/api/v4/internal/pre_receive": self.pre_receive,
            "/api/v4/internal/post_receive": self.post_receive,
            "/api/v4/internal/kubernetes/agent_info": self.agent_info,
            "/api/scim/v2/application/Users": self.scim_page,
        }

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        """One request."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        answer = self.answers[environ["PATH_INFO"]](environ, json.loads(body) if body else {})
        content = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
        start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
        return [content]

    def _rows(self, name: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
        connection = getattr(self.local, "connection", None)
        if connection is None:
            connection = self.local.connection = psycopg.connect(self.configuration["database"], autocommit=True)
        rows: list[tuple[Any, ...]] = connection.execute(self.statements[name], params, prepare=True).fetchall()
        return rows

    def _check_shell(self, environ: Environ) -> None:
        token = environ["HTTP_GITLAB_SHELL_API_REQUEST"]
        jwt.decode(token, self.shell, algorithms=["HS256"], issuer="gitlab-shell", leeway=60, options=_OPTIONS)

    def allowed(self, environ: Environ, body: dict[str, Any]) -> Any:
        """Everything a decision needs, read in one statement; the answer of a command that may run."""
        self._check_shell(environ)
        statement, params = allowed_question(body)
        return allowed_answer(self._rows(statement, params)[0])

    def authorized_keys(self, environ: Environ, _: dict[str, Any]) -> Any:
        """One probe of the fingerprints' index."""
        self._check_shell(environ)
        key = base64.b64decode(parse_qs(environ["QUERY_STRING"])["key"][0])
        fingerprint = base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
        key_id, title, line, created_at, expires_at, usage_type, name = self._rows("authorized_keys", {"fingerprint": fingerprint})[0]
        return {
            "id": key_id,
            "title": title,
            "created_at": f"{created_at:%Y-%m-%dT%H:%M:%S}.{created_at.microsecond // 1000:03d}Z",
            "expires_at": expires_at,
            "key": f"{line} {name} ({self.configuration['host']})",
            "usage_type": usage_type,
        }

    def discover(self, environ: Environ, _: dict[str, Any]) -> Any:
        """A key's owner."""
        self._check_shell(environ)
        key_id = int(parse_qs(environ["QUERY_STRING"])["key_id"][0])
        user_id, username, name = self._rows("discover", {"actor": key_id})[0]
        return {"id": user_id, "name": name, "username": username}

    def _count(self, script: str, body: dict[str, Any], *arguments: int) -> None:
        key = f"git-receive-pack-reference-counter:{body['gl_repository']}"
        self.redis.eval(self.statements[script], 1, key, *arguments)

    def pre_receive(self, environ: Environ, body: dict[str, Any]) -> Any:
        """One step in Redis."""
        self._check_shell(environ)
        self._count("increase", body, 600)
        return {"reference_counter_increased": True}

    def post_receive(self, environ: Environ, body: dict[str, Any]) -> Any:
        """One step in Redis and one row."""
        self._check_shell(environ)
        self._rows("post_receive", {"repository": body["gl_repository"], "changes": body["changes"]})
        self._count("decrease", body)
        return {"messages": [], "reference_counter_decreased": True}

    def agent_info(self, environ: Environ, _: dict[str, Any]) -> Any:
        """An agent by its token."""
        token = environ["HTTP_GITLAB_KAS_API_REQUEST"]
        jwt.decode(token, self.kas, algorithms=["HS256"], issuer="gitlab-kas", audience="gitlab", options=_OPTIONS)
        digest = hashlib.sha256(environ["HTTP_AUTHORIZATION"].removeprefix("Bearer ").encode()).hexdigest()
        agent_id, name, project_id, path, branch, storage, address, gitaly_token = self._rows("agent_info", {"digest": digest})[0]
        return {
            "agent_id": agent_id,
            "agent_name": name,
            "project_id": project_id,
            "gitaly_info": {"address": address, "token": gitaly_token},
            "gitaly_repository": {
                "storage_name": storage,
                "relative_path": _relative_path(project_id),
                "git_object_directory": "",
                "git_alternate_object_directories": [],
                "gl_repository": f"project-{project_id}",
                "gl_project_path": path,
            },
            "default_branch": branch,
        }

    def scim_page(self, environ: Environ, _: dict[str, Any]) -> Any:
        """A hundred people, found from the nearer end of the index."""
        digest = hashlib.sha256(environ["HTTP_AUTHORIZATION"].removeprefix("Bearer ").encode()).hexdigest()
        if not hmac.compare_digest(digest, self.scim_digest):
            raise PermissionError("Not the token.")
        query = parse_qs(environ["QUERY_STRING"])
        start, count, total = int(query["startIndex"][0]), int(query["count"][0]), self.configuration["people"]
        if start - 1 <= total // 2:
            rows = self._rows("scim_first", {"offset": start - 1, "size": count})
        else:
            size = min(count, total - start + 1)
            rows = self._rows("scim_last", {"offset": total - start + 1 - size, "size": size})
        return {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": total,
            "itemsPerPage": self.configuration["items_per_page"],
            "startIndex": start,
            "Resources": [_resource(*row) for row in rows],
        }


def allowed_question(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The statement for what is asked, and its parameters."""
    now = datetime.now(UTC)
    params = {
        "actor": int(body["key_id"]),
        "path": body["project"].lower(),
        "now": now,
        "today": now.date(),
        "a_day_ago": now - timedelta(days=1),
        "three_days_ago": now - timedelta(days=3),
        "in_a_week": now + timedelta(days=7),
        "ten_minutes_ago": now - timedelta(minutes=10),
    }
    if body["changes"] == "_any":
        return "allowed", params
    ref = body["changes"].split(" ")[2]
    return "allowed_push", {**params, "names": json.dumps([ref.removeprefix("refs/heads/"), ref])}


def allowed_answer(row: tuple[Any, ...]) -> dict[str, Any]:
    """The answer in its row."""
    key_id, kind, user_id, username, project_id, path, root_id = (row[index] for index in (1, 2, 10, 11, 27, 28, 38))
    storage, address, token = row[-7:-4]
    repository = f"project-{project_id}"
    return {
        "status": True,
        "gl_repository": repository,
        "gl_project_path": path,
        "gl_project_id": project_id,
        "gl_root_namespace_id": root_id,
        "gl_id": f"user-{user_id}",
        "git_config_options": ["uploadpack.allowFilter=true", "uploadpack.allowAnySHA1InWant=true"],
        "gitaly": {
            "repository": {
                "storage_name": storage,
                "relative_path": _relative_path(project_id),
                "git_object_directory": "",
                "git_alternate_object_directories": [],
                "gl_repository": repository,
                "gl_project_path": path,
            },
            "address": address,
            "token": token,
            "features": _FEATURES,
        },
        "gl_console_messages": [],
        "need_audit": False,
        "gl_username": username,
        "gl_key_type": kind,
        "gl_key_id": key_id,
    }


def _relative_path(project_id: int) -> str:
    digest = hashlib.sha256(str(project_id).encode()).hexdigest()
    return f"@hashed/{digest[:2]}/{digest[2:4]}/{digest}.git"


def _resource(extern_uid: str, active: bool, username: str, name: str, email: str) -> dict[str, Any]:
    given, _, family = name.partition(" ")
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": extern_uid,
        "externalId": extern_uid,
        "userName": username,
        "name": {"formatted": name, "givenName": given, "familyName": family},
        "name.formatted": name,
        "active": active,
        "emails": [{"type": "work", "value": email, "primary": True}],
        "meta": {"resourceType": "User"},
        "groups": [],
    }


def configured() -> Floor:
    """The floor that the file named by FLOOR describes."""
    return Floor(json.loads(Path(os.environ["FLOOR"]).read_text()))


if "FLOOR" in os.environ:
    application = configured()
