"""No secret stays anywhere in the clear: everything that a full run has written is searched for every secret that it used."""

import json
import shutil
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import psycopg
import pyotp
import pytest
from psycopg import sql

from tests.live.service import Service, temporary_directory
from tests.public_keys import ED25519
from tests.receiver import receiving
from tests.servers import START_SECONDS, wait_until

pytestmark = [pytest.mark.live, pytest.mark.postgresql]
SECRETS = {
    "gitaly token": "the-gitaly-token-of-this-run",
    "webhook token": "the-webhook-token-of-this-run",
    "password": "correct horse battery staple 7",
    "personal token": "glpat-of-this-very-run-x",
    "agent token": "glagent-of-this-very-run",
    "SCIM token": "glsoat-of-this-very-run",
    "second factor": pyotp.random_base32(),
    "error tracking token": "the-error-tracking-token",
    "agent's private key": "the-private-key-of-an-agent",
}


def company(receiver: str, otp: str) -> dict[str, Any]:
    return {
        "instance": {
            "error_tracking_access_token": SECRETS["error tracking token"],
            "webhooks": [{"url": receiver, "token": SECRETS["webhook token"]}],
        },
        "storages": [{"name": "default", "gitaly_token": SECRETS["gitaly token"]}],
        "users": [
            {"id": 6, "username": "root", "email": "root@example.com", "admin": True},
            {
                "id": 7,
                "username": "ann",
                "email": "ann@example.com",
                "two_factor_secret": otp,
                "keys": [{"id": 11, "key": ED25519}],
                "personal_access_tokens": [{"name": "ci", "token": SECRETS["personal token"], "scopes": ["api"]}],
            },
        ],
        "groups": [{"path": "acme"}],
        "projects": [
            {
                "id": 1,
                "path": "acme/rockets",
                "members": {"ann": "maintainer"},
                "agents": [{"id": 5, "name": "prod", "created_by": "ann", "tokens": [{"name": "t", "token": SECRETS["agent token"]}]}],
            }
        ],
        "instance_scim": {"token": {"token": SECRETS["SCIM token"]}},
    }


def fetch(opener: urllib.request.OpenerDirector, url: str, values: dict[str, str] | None = None, **headers: str) -> str:
    data = urllib.parse.urlencode(values).encode() if values else None
    try:
        with opener.open(urllib.request.Request(url, data, headers)) as response:  # noqa: S310  http to ourselves
            return str(response.read().decode(errors="replace"))
    except urllib.error.HTTPError as error:
        with error:
            return str(error.read().decode(errors="replace"))


def admin_pages(service: Service) -> str:
    """Every list of the admin site and the first row of each, as root sees them."""
    jar = CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    fetch(opener, f"{service.url}/admin/login/")
    token = next(cookie.value or "" for cookie in jar if cookie.name == "csrftoken")
    form = {"username": "root", "password": SECRETS["password"], "csrfmiddlewaretoken": token, "next": "/admin/"}
    front = fetch(opener, f"{service.url}/admin/login/", form, Referer=service.url)
    assert "Administration" in front, front[:500]
    pages = [front]
    links = {part.split('"')[0] for part in front.split('href="')[1:] if part.startswith("/admin/") and "static" not in part}
    for link in sorted(links - {"/admin/logout/"}):
        page = fetch(opener, service.url + link.split("?")[0])
        pages.append(page)
        rows = [part.split('"')[0] for part in page.split('<a href="')[1:] if part.endswith("/change/") or "/change/" in part.split('"')[0]]
        pages += [fetch(opener, service.url + row) for row in rows[:1] if row.startswith("/admin/")]
    assert len(pages) > 30
    return "\n".join(pages)


def whole_database(url: str) -> str:
    """Every row of every table as text."""
    with psycopg.connect(url.replace("postgres://", "postgresql://"), autocommit=True) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        found = []
        for (table,) in tables:
            query = sql.SQL("SELECT {table}::text FROM {table}").format(table=sql.Identifier(table))
            found += [row[0] for row in connection.execute(query).fetchall()]
        return "\n".join(found)


def use_everything(service: Service) -> dict[str, str]:
    """Ask what carries secrets, rightly and wrongly; the secrets that came back."""
    otp = pyotp.TOTP(SECRETS["second factor"]).now()
    made = service.ask(
        "personal_access_token",
        {"key_id": 11, "name": "x", "scopes": ["api"], "expires_at": f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%d}"},
    ).body
    lfs = service.ask("lfs_authenticate", {"key_id": 11, "project": "acme/rockets"}).body
    codes = service.ask("two_factor_recovery_codes", {"key_id": 11}).body["recovery_codes"]
    service.ask("two_factor_manual_otp_check", {"key_id": 11, "otp_attempt": otp})
    service.ask("lfs_token/verify", {"username": lfs["username"], "token": lfs["lfs_token"], "project": "acme/rockets"})
    service.ask("allowed", {"key_id": 11, "project": "acme/rockets", "action": "git-upload-pack", "changes": "_any", "protocol": "ssh"})
    service.ask("post_receive", {"identifier": "key-11", "gl_repository": "project-1", "changes": f"{'0' * 40} {'a' * 40} refs/heads/x"})
    service.ask("allowed", {"key": SECRETS["password"]}, token="x." + SECRETS["personal token"])
    opener = urllib.request.build_opener()
    for headers in (
        {"Private-Token": SECRETS["personal token"]},
        {"Private-Token": SECRETS["personal token"] + "x"},
        {"Authorization": f"Bearer {SECRETS['SCIM token']}"},
        {"Gitlab-Kas-Api-Request": service.manage("kas_token").strip(), "Gitlab-Agent-Api-Request": SECRETS["agent token"]},
    ):
        for path in (
            "/api/v4/namespaces/storage/limit_exclusions",
            "/api/scim/v2/application/Users",
            "/api/v4/internal/kubernetes/agent_info",
            f"/api/scim/v2/application/Users?private_token={SECRETS['personal token']}",
        ):
            fetch(opener, service.url + path, None, **headers)
    return {"new token": made["token"], "LFS token": lfs["lfs_token"], "recovery code": codes[0]}


def test_nothing_that_a_full_run_has_written_holds_a_secret() -> None:
    directory = temporary_directory()
    with receiving() as receiver:
        service = Service(
            directory, variables={"WEBHOOK_ALLOWED_TARGETS": "127.0.0.0/8", "LOG_LEVEL": "DEBUG", "ENCRYPTION_KEYS": "the-encryption-key"}
        )
        service.migrate()
        service.seed(company(receiver.url, SECRETS["second factor"]))
        service.manage(
            "shell",
            "-c",
            f"from accounts.models import User; u = User.objects.get(pk=6); u.set_password({SECRETS['password']!r}); u.save()",
        )
        service.start()
        worker = service.start_worker()
        try:
            came_back = use_everything(service)
            wait_until(lambda: receiver.received, "the webhook")
            assert receiver.received[0].headers["X-Gitlab-Token"] == SECRETS["webhook token"]
            written = {
                "admin pages": admin_pages(service),
                "database": whole_database(service.environment["DATABASE_URL"]),
                "settings": service.manage("diffsettings"),
                "doctor": service.command("doctor").stdout,
                "dump": service.manage("dump_seed"),
                "metrics": fetch(urllib.request.build_opener(), f"{service.url}/metrics"),
                "audit": service.manage("audit_events"),
            }
        finally:
            worker.terminate()
            worker.wait(START_SECONDS)
            service.stop()
        written |= {path.name: path.read_text(errors="replace") for path in Path(directory).rglob("*.log")}
        assert "acme/rockets" in written["service.log"]
    # Django's own list of settings shows them to whoever may run commands here, who has their files anyway.
    settings = written.pop("settings")
    assert SECRETS["gitaly token"] not in settings
    secrets = SECRETS | came_back | {"shell secret": service.shell_secret.read_text().strip(), "encryption key": "the-encryption-key"}
    leaks = [
        (where, name)
        for where, text in written.items()
        for name, secret in secrets.items()
        if secret in text or json.dumps(secret)[1:-1] in text
    ]
    assert not leaks
    shutil.rmtree(directory, ignore_errors=True)
