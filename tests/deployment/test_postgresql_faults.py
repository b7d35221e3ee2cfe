"""PostgreSQL as fleets run it: failover, a read replica that fails or falls behind, and PgBouncer in transaction mode."""

import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import environ
import pytest

from tests.deployment.newer_debian import root_with
from tests.deployment.pages import page
from tests.deployment.postgresql_servers import PgBouncer, Standby, stopped
from tests.live.service import ROOT, Service
from tests.live.test_faults import PULL, pushed, query, serving
from tests.public_keys import ED25519
from tests.servers import START_SECONDS, PostgreSQL, create_database, migrated_template, wait_until

pytestmark = pytest.mark.deployment
LOOK_UP = f"authorized_keys?key={quote(ED25519.split()[1], safe='')}"


@pytest.fixture(scope="module")
def primary() -> Iterator[PostgreSQL]:
    server = PostgreSQL(fsync=True)
    server.start()
    try:
        migrated_template(server.url)
        yield server
    finally:
        server.remove()


@contextmanager
def standby_of(primary: PostgreSQL) -> Iterator[Standby]:
    server = Standby(primary)
    try:
        server.start()
        yield server
    finally:
        server.remove()


def new_database(server: PostgreSQL, name: str) -> str:
    create_database(server.url, name, migrated_template(server.url))
    return name


def told(service: Service, path: str) -> str:
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=START_SECONDS)) as connection:
        connection.request("GET", path)
        return connection.getresponse().read().decode()


def state(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(told(service, "/readyz"))
    return found


def finding(service: Service, name: str) -> dict[str, Any]:
    command = [sys.executable, "manage.py", "doctor", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=service.environment, capture_output=True, text=True, check=False)
    (found,) = [one for one in json.loads(done.stdout) if one["name"] == name]
    return dict(found)


@pytest.mark.parametrize("pool", ["0", "4"])
def test_a_failover_loses_no_acknowledged_push_and_ends_with_the_promotion(pool: str) -> None:  # noqa: PLR0915  one story, in its order
    """Several hosts in DATABASE_URL, of which one can be written; a synchronous standby; no restart of the service."""
    primary = PostgreSQL(fsync=True)
    acknowledged: set[str] = set()
    lock, numbers = threading.Lock(), iter(range(1, 1_000_000))
    try:
        primary.start()
        name = new_database(primary, "failover")
        with standby_of(primary) as standby:
            query(primary.url, "ALTER SYSTEM SET synchronous_standby_names = '*'")
            query(primary.url, "SELECT pg_reload_conf()")
            hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
            url = f"postgres://postgres@{hosts}/{name}?target_session_attrs=read-write"
            with serving(DATABASE_URL=url, DATABASE_POOL_SIZE=pool) as (service, load):

                def step() -> None:
                    with lock:
                        number = next(numbers)
                    if load.push(number):
                        acknowledged.add(f"refs/heads/b{number}")
                    load.pull()

                with load.going(4, step):
                    wait_until(lambda: len(acknowledged) > 40, "some pushes")
                    primary.stop(crash=True)
                    time.sleep(3)  # the time that somebody, or Patroni, takes to decide
                    assert load.pull() == 503
                    standby.promote()
                    promoted = time.monotonic()
                    wait_until(lambda: load.pull() == 200, "the promoted standby")
                    back = time.monotonic() - promoted
                    enough = len(acknowledged) + 40
                    wait_until(lambda: len(acknowledged) > enough, "more pushes")
                wait_until(lambda: state(service)["status"] == "ok", "readiness")
                assert {load.pull() for _ in range(30)} == {200}
                events = pushed(f"{standby.url.rsplit('/', 1)[0]}/{name}")
                figures = {"acknowledged": len(acknowledged), "lost": len(acknowledged - set(events)), "well_after": f"{back:.2f} s"}
                load.tell(f"Failover of PostgreSQL (pool {pool})", **figures, load=os.getloadavg()[0])
                assert acknowledged <= set(events)
                assert len(events) == len(set(events))
                assert set(load.statuses) == {200, 503}
                assert not load.wrong
    finally:
        primary.remove()


def test_a_read_replica_that_fails_or_is_behind_is_left_alone_and_comes_back(primary: PostgreSQL) -> None:  # noqa: PLR0915  likewise
    """Killed, stopped, behind: every look-up is answered 200 all the time, by the primary where the replica cannot."""
    name = new_database(primary, "replicated")
    base = primary.url.rsplit("/", 1)[0]
    with standby_of(primary) as standby:
        replica = f"postgres://postgres@127.0.0.1:{standby.port}/{name}"
        variables = {"DATABASE_URL": f"{base}/{name}", "DATABASE_REPLICA_URL": replica, "DATABASE_REPLICA_MAX_LAG": "2"}
        with serving(workers=1, **variables) as (service, load):
            wait_until(standby.has_caught_up, "replication")

            def is_asked() -> bool:
                """Whether the replica, and not the primary, answers: it counts the connections that it has."""
                return bool(query(replica, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()") > [(1,)])

            with load.going(3, lambda: load.ask(LOOK_UP)):
                wait_until(lambda: state(service).get("replica") == "ready", "the replica")
                assert is_asked()
                standby.stop(crash=True)
                wait_until(lambda: state(service)["replica"] == "unreachable", "the loss of the replica")
                assert state(service)["status"] == "degraded"
                assert finding(service, "replica")["level"] == "warning"
                standby.start()
                wait_until(lambda: state(service)["replica"] == "ready", "the replica, again")
                wait_until(is_asked, "look-ups at the replica")
                with stopped(standby):
                    wait_until(lambda: state(service)["replica"] == "unreachable", "the loss of the replica")
                wait_until(lambda: state(service)["replica"] == "ready", "the replica after it went on")

                query(replica, "SELECT pg_wal_replay_pause()")
                service.manage("create_user", "new", "--email", "new@example.com")
                wait_until(lambda: state(service)["replica"] == "behind", "the lag")
                assert load.ask("discover?username=new")[1]["username"] == "new", "the primary answers"
                assert finding(service, "replica")["level"] == "warning"
                metrics = told(service, "/metrics")
                assert 'internal_api_replica{condition="behind"} 1.0' in metrics
                lag = re.search(r"^internal_api_replica_lag_seconds (\S+)$", metrics, re.MULTILINE)
                assert lag is not None
                assert float(lag[1]) > 2
                query(replica, "SELECT pg_wal_replay_resume()")
                wait_until(lambda: state(service)["replica"] == "ready", "the replica after it caught up")
                # doctor measures by itself, and the standby may have fallen behind for a moment
                wait_until(lambda: finding(service, "replica")["level"] == "well", "doctor's opinion of the replica")
            found = re.findall(
                r'^internal_api_replica_fallbacks_total\{condition="(\w+)"\} (\S+)$', told(service, "/metrics"), re.MULTILINE
            )
            load.tell("A replica killed, stopped, behind", fallbacks=dict(found), load=os.getloadavg()[0])
            assert set(load.statuses) == {200}
            assert {"behind", "unreachable"} <= {condition for condition, _ in found}


@pytest.fixture(scope="module")
def role(primary: PostgreSQL) -> PostgreSQL:
    """The role with what docs/deployment/postgresql.md gives it."""
    (block,) = [block for block in page("postgresql") if block.text.startswith("ALTER ROLE")]
    query(primary.url, "CREATE ROLE control_plane LOGIN SUPERUSER PASSWORD 'secret'")
    query(primary.url, block.text)
    return primary


def test_the_page_names_several_hosts_as_the_failover_is_tried() -> None:
    (block,) = [block for block in page("postgresql") if block.text.startswith("DATABASE_URL=")]
    found = environ.Env.db_url_config(block.text.strip().removeprefix("DATABASE_URL="))
    assert (found["HOST"], found["PORT"]) == ("10.0.0.31,10.0.0.32", "5432,5432")
    assert found["OPTIONS"] == {"target_session_attrs": "read-write"}


@contextmanager
def pooled(cluster: PostgreSQL, root: Path = Path("/"), /, **changes: str) -> Iterator[PgBouncer]:
    bouncer = PgBouncer(cluster, changes, root)
    try:
        bouncer.start()
        yield bouncer
    finally:
        bouncer.stop()


def everything_works(url: str, prepared: str) -> None:
    """Log-ins, pulls and pushes of several clients, and meanwhile commands that read many rows."""
    numbers, lock = iter(range(1, 1_000_000)), threading.Lock()
    with serving(DATABASE_URL=url, DATABASE_PREPARED_STATEMENTS=prepared) as (service, load):

        def step() -> None:
            with lock:
                number = next(numbers)
            change = f"{'0' * 40} {number:040x} refs/heads/b{number}"
            load.ask("allowed", {**PULL, "action": "git-receive-pack", "changes": change}, f"request-{number}")
            load.push(number)
            load.pull()
            load.ask(LOOK_UP)

        with load.going(4, step):
            wait_until(lambda: load.statuses[200] > 100, "some answers")
            events = service.manage("audit_events").splitlines()
            service.manage("doctor", "--json", code=1)  # Gitaly is not there
            service.manage("dump_seed")
            service.manage("clean_up")
            service.manage("db_worker", "--batch", "--max-tasks", "20")
        load.tell(f"PgBouncer, prepared {prepared}", load=os.getloadavg()[0])
        assert set(load.statuses) == {200}
        assert len(events) > 3
        assert state(service)["status"] == "ok"


def test_behind_pgbouncer_with_the_documented_settings_everything_works(role: PostgreSQL) -> None:
    name = new_database(role, "pooled")
    with pooled(role) as bouncer:
        assert query(bouncer.url(name), "SHOW statement_timeout") == [("50s",)]
        everything_works(bouncer.url(name), "false")


@pytest.fixture(scope="module")
def newer() -> Path:
    """The root of a Debian whose PgBouncer knows prepared statements."""
    return root_with("trixie", "pgbouncer")


def test_behind_a_pgbouncer_that_knows_prepared_statements_they_work(role: PostgreSQL, newer: Path) -> None:
    name = new_database(role, "pooled_and_prepared")
    with pooled(role, newer, **{"; max_prepared_statements": "max_prepared_statements"}) as bouncer:
        assert bouncer.version() >= (1, 21)
        everything_works(bouncer.url(name), "true")


def refused(service: Service, sentence: str) -> None:
    """The service does not start, and neither does `migrate --check`, which systemd asks before it starts it."""
    gunicorn = [sys.executable, "-m", "gunicorn", "-c", "settings/gunicorn.py", "settings.wsgi"]
    for command in (gunicorn, [sys.executable, "manage.py", "migrate", "--check"]):
        done = subprocess.run(
            command, cwd=ROOT, env=service.environment, capture_output=True, text=True, check=False, timeout=START_SECONDS
        )
        assert done.returncode != 0, command
        assert sentence in done.stderr, done.stderr


NOT_KEPT = "The pooler before PostgreSQL does not keep prepared statements: set DATABASE_PREPARED_STATEMENTS=false"


def test_a_newer_pgbouncer_that_is_told_to_keep_no_prepared_statement_is_refused(role: PostgreSQL, newer: Path, tmp_path: Path) -> None:
    name = new_database(role, "newer_and_refused")
    with pooled(role, newer, **{"; max_prepared_statements = 200": "max_prepared_statements = 0"}) as bouncer:
        refused(Service(tmp_path, variables={"DATABASE_URL": bouncer.url(name), "LOG_FORMAT": "text"}), NOT_KEPT)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, NOT_KEPT),
        ({"ignore_startup_parameters = options": ""}, "PgBouncer refuses the start-up options: set ignore_startup_parameters = options"),
    ],
    ids=["prepared statements that nobody keeps", "start-up options"],
)
def test_a_combination_that_cannot_work_refuses_to_start(role: PostgreSQL, tmp_path: Any, changes: dict[str, str], sentence: str) -> None:
    name = f"refused_{len(changes)}"
    new_database(role, name)
    with pooled(role, **changes) as bouncer:
        refused(Service(tmp_path, variables={"DATABASE_URL": bouncer.url(name), "LOG_FORMAT": "text"}), sentence)
