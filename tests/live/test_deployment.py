"""The deployment as docs/deployment describes it, without containers: nginx, gunicorn on a unix socket, PostgreSQL, Redis, a worker."""

import json
import re
import shutil
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from internal_api import metrics as kernel
from internal_api import worker_metrics
from internal_api.metrics_directory import NO_PROCESS
from tests.gitaly_server import running
from tests.live.service import ROOT, Service, temporary_directory
from tests.public_keys import ED25519
from tests.servers import START_SECONDS, answers, free_port, wait_until

pytestmark = [pytest.mark.live, pytest.mark.postgresql]
COMPANY: dict[str, Any] = {
    "storages": [{"name": "default"}],
    "users": [{"id": 7, "username": "ann", "email": "ann@example.com", "keys": [{"id": 11, "key": ED25519}]}],
    "groups": [{"path": "acme"}],
    "projects": [{"id": 1, "path": "acme/rockets", "members": {"ann": "maintainer"}}],
}
PULL = {"key_id": 11, "project": "acme/rockets", "action": "git-upload-pack", "changes": "_any", "protocol": "ssh"}


@dataclass
class Site:
    """nginx in front of a service."""

    service: Service
    inner: int
    outer: int


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    directory = temporary_directory()
    service = Service(directory, workers=2, is_preloaded=False)  # started as a machine starts it
    path = directory / "gunicorn.sock"
    service.environment["BIND"] = f"unix:{path},127.0.0.1:{service.port}"
    service.migrate()
    service.manage("collectstatic", "--noinput", "--verbosity", "0")
    service.seed(COMPANY)
    service.start()
    worker = service.start_worker()
    inner, outer = free_port(), free_port()
    nginx = start_nginx(directory, path, inner, outer)
    wait_until(lambda: '"workers", "level": "well"' in doctor(service).stdout, "the worker")
    yield Site(service, inner, outer)
    nginx.terminate()
    worker.terminate()
    nginx.wait(START_SECONDS)
    worker.wait(START_SECONDS)
    service.stop()
    shutil.rmtree(directory, ignore_errors=True)


def doctor(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    return service.command("doctor", "--json", *arguments)


def start_nginx(directory: Path, path: Path, inner: int, outer: int, upstream: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """Debian's nginx with the file that is shipped; only addresses and file names are others. Without `upstream`, by the socket."""
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    key, certificate = str(directory / "key.pem"), str(directory / "certificate.pem")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        key,
        "-out",
        certificate,
    ]
    subprocess.run([*command, *subject], check=True, capture_output=True)
    shipped = (ROOT / "deploy" / "nginx.conf").read_text()
    nodes = " ".join(f"server {node} fail_timeout=2s;" for node in upstream) or f"server unix:{path} fail_timeout=0;"
    shipped = shipped.replace("server service:3001 fail_timeout=0;", nodes).replace("listen 8080", f"listen 127.0.0.1:{inner}")
    shipped = shipped.replace("/var/log/nginx/access.log", f"{directory}/access.log")
    shipped = shipped.replace("listen 8443", f"listen 127.0.0.1:{outer}").replace("/etc/nginx/tls", str(directory))
    (directory / "nginx.conf").write_text(
        f"daemon off; pid {directory}/nginx.pid; error_log {directory}/nginx.log; user root; worker_processes 2;\n"
        f"events {{ worker_connections 4096; }}\nhttp {{ client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;\n"
        f"fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;\n{shipped}\n}}\n"
    )
    nginx = subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(directory / "nginx.conf"), "-p", str(directory)])
    wait_until(lambda: answers(inner) and answers(outer), "nginx")
    return nginx


def ask(url: str, values: dict[str, Any] | None = None, /, **headers: str) -> tuple[int, Any, dict[str, str]]:
    data = None if values is None else json.dumps(values).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})  # noqa: S310  http to ourselves
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(request, timeout=START_SECONDS, context=context) as response:  # noqa: S310  likewise
            return response.status, response.read(), dict(response.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), dict(error.headers)


def test_the_inner_door_answers_gitlab_shell_and_keeps_its_request_id(site: Site) -> None:
    headers = {"Gitlab-Shell-Api-Request": site.service.shell_token(), "X-Request-Id": "01HXYZ", "Host": "unix"}
    status, body, answered = ask(f"http://127.0.0.1:{site.inner}/api/v4/internal/allowed", PULL, **headers)
    assert (status, json.loads(body)["gl_repository"], answered["X-Request-Id"]) == (200, "project-1", "01HXYZ")
    status, body, _ = ask(f"http://127.0.0.1:{site.inner}//api/v4/internal/check/", **headers)
    assert (status, json.loads(body)["redis"]) == (200, True)


def test_the_outer_door_shows_people_the_admin_site_and_hides_the_internal_api(site: Site) -> None:
    outer = f"https://127.0.0.1:{site.outer}"
    headers = {"Gitlab-Shell-Api-Request": site.service.shell_token(), "Host": "localhost"}
    for path in (
        "/api/v4/internal/allowed",
        "//api/v4/internal/allowed",
        "/api/v4/internal/check",
        "/metrics",
        "/metrics/database",
        "/api/v4/internal/../internal/check",
    ):
        assert ask(outer + path, **headers)[0] == 404, path
    for path in ("/metrics", "/metrics/database"):
        assert ask(f"http://127.0.0.1:{site.inner}{path}")[0] == 404, path
    status, page, answered = ask(f"{outer}/admin/login/", Host="localhost")
    assert (status, b"password" in page) == (200, True)
    assert answered["Strict-Transport-Security"] == "max-age=31536000"
    style = re.search(rb'href="(/admin/static/[^"]+\.css)"', page)
    assert style is not None
    assert ask(outer + style[1].decode(), Host="localhost")[0] == 200
    assert ask(f"{outer}/api/scim/v2/application/Users", Host="localhost")[0] == 401
    assert ask(f"{outer}/readyz", Host="localhost")[0] == 200


def test_a_token_in_a_query_string_reaches_no_access_log(site: Site) -> None:
    token = "glpat-" + "x" * 20
    for name in ("private_token", "access_token"):
        ask(f"https://127.0.0.1:{site.outer}/api/v4/namespaces/1/storage/limit_exclusion?{name}={token}")
        ask(f"http://127.0.0.1:{site.inner}/api/v4/namespaces/1/storage/limit_exclusion?{name}={token}")
    log = site.service.directory / "access.log"
    wait_until(lambda: log.read_text().count("limit_exclusion") >= 4, "the access log")
    assert token not in log.read_text()
    assert token not in (site.service.directory / "service.log").read_text()


def test_a_group_with_a_slash_in_its_path_goes_through_the_proxy(site: Site) -> None:
    token = json.loads(site.service.manage("create_scim_token", "--group", "acme", "--json"))["token"]
    for path in ("acme", "acme%2Ftools", "acme/tools"):
        at = f"/api/scim/v2/groups/{path}/Users"
        through, direct = (
            ask(f"{door}{at}", Authorization=f"Bearer {token}") for door in (f"http://127.0.0.1:{site.inner}", site.service.url)
        )
        assert through[:2] == direct[:2]
        assert (through[0] == 200) is (path == "acme")


def metrics(site: Site, path: str = "/metrics") -> dict[str, float]:
    status, body, _ = ask(f"{site.service.url}{path}")
    assert status == 200
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def test_metrics_add_up_over_the_workers(site: Site) -> None:
    token = site.service.shell_token()
    before = metrics(site).get("internal_api_decisions_total", 0.0)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: site.service.ask("allowed", PULL, token=token), range(40)))
    assert metrics(site)["internal_api_decisions_total"] == before + 40


def test_every_metric_of_the_dashboard_and_of_the_alerts_exists(site: Site) -> None:
    site.service.ask("allowed", PULL)
    # Those of this process too, since nobody has called Gitaly or come too often here.
    for labelled in (
        kernel.gitaly_calls.labels("ServerInfo", "OK"),
        kernel.rate_limit_hits.labels("x"),
        kernel.refused_tokens.labels("x"),
        kernel.redis_fallbacks.labels("x"),
        worker_metrics.last_seen.labels("x"),
        worker_metrics.restarts.labels("x"),
    ):
        assert labelled is not None
    known = {sample.name for family in kernel.OURS.collect() for sample in family.samples}
    known |= set(metrics(site)) | set(metrics(site, "/metrics/database"))
    dashboard = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text())
    texts = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    texts += [rule["expr"] for group in yaml.safe_load((ROOT / "deploy" / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
    named = {name for text in texts for name in re.findall(r"internal_api_\w+", text)}
    assert named
    assert named <= known


def test_a_reload_loses_no_request(site: Site) -> None:
    """`systemctl reload`: HUP starts new workers with new secrets while the old ones finish. What both counted is kept."""
    token = site.service.shell_token()
    process = site.service.process
    assert process is not None
    (files,) = directories_of_metrics(process.pid)
    before = metrics(site).get("internal_api_decisions_total", 0.0)
    headers = {"Gitlab-Shell-Api-Request": token}

    def pull(number: int) -> int:
        if number in {50, 120}:
            process.send_signal(1)
        return ask(f"http://127.0.0.1:{site.inner}/api/v4/internal/allowed", PULL, **headers)[0]

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(pull, range(200))) == {200}
    wait_until(lambda: len(children(process.pid)) == 2 and NO_PROCESS in counting(files), "as many workers as ever")
    wait_until(lambda: counting(files) <= {NO_PROCESS, *children(process.pid)}, "no file of a process that has ended")
    assert metrics(site)["internal_api_decisions_total"] == before + 200
    assert directories_of_metrics(process.pid) == [files]


def children(master: int) -> list[int]:
    """The processes that a gunicorn's first process has started."""
    return [int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()]


def counting(files: Path) -> set[int]:
    """The processes that have a file there; a worker has one once it has answered somebody."""
    return {int(file.stem.removeprefix("histogram_")) for file in files.glob("histogram_*.db")}


def directories_of_metrics(master: int) -> list[Path]:
    """Those that a gunicorn's processes use, the first process's included."""
    opened = {
        str(link.readlink()) for pid in [master, *children(master)] for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()
    }
    return sorted({Path(name).parent for name in opened if name.endswith((".db", "owned.lock")) and "/metrics-" in name})


def test_the_shell_secret_is_rotated_without_a_gap(site: Site) -> None:
    service = site.service
    old = service.shell_token()
    previous = service.directory / "previous_shell_secret"
    previous.write_text(service.shell_secret.read_text())
    service.shell_secret.write_text("another shell secret, just as long as the first\n")
    service.environment["GITLAB_SHELL_PREVIOUS_SECRET_FILE"] = str(previous)
    new = service.shell_token()
    assert new != old
    (service.directory / "second").mkdir()
    other = Service(service.directory / "second", workers=1)
    other.environment |= {
        name: service.environment[name]
        for name in ("DATABASE_URL", "GITLAB_SHELL_SECRET_FILE", "GITLAB_SHELL_PREVIOUS_SECRET_FILE", "SECRET_KEY")
    }
    other.start()
    try:
        for token in (old, new):
            assert other.ask("allowed", PULL, token=token).status == 200
    finally:
        other.stop()
        service.shell_secret.write_text(previous.read_text())
        del service.environment["GITLAB_SHELL_PREVIOUS_SECRET_FILE"]


def test_one_worker_is_not_locked_by_a_push_whose_gitaly_asks_back(site: Site, tmp_path: Path) -> None:
    """Gitaly 5.4: while one request waits for Gitaly, the requests that come of it are answered by the other thread."""
    directory = temporary_directory()
    service = Service(directory, workers=1)
    with running(tmp_path, token="gitaly token") as gitaly:
        service.migrate()
        rules = [{"name": "main", "push": ["maintainer"], "merge": ["maintainer"]}]
        project = {**COMPANY["projects"][0], "protected_branches": rules}
        storages = [{"name": "default", "gitaly_address": gitaly.address, "gitaly_token": "gitaly token"}]
        # Rows only: a repository that were made here would be empty, and Gitaly not asked.
        document = json.dumps({**COMPANY, "storages": storages, "projects": [project]})
        service.manage("seed", "--rows-only", "-", text=document)
        service.start()
        token = service.shell_token()
        asked_back = threading.Event()
        gitaly.before = lambda name: asked_back.wait(START_SECONDS)
        changes = f"{'a' * 40} {'b' * 40} refs/heads/main"
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(service.ask, "allowed", {**PULL, "action": "git-receive-pack", "changes": changes}, token=token)
            wait_until(lambda: gitaly.calls, "the question to Gitaly")
            assert service.ask("pre_receive", {"gl_repository": "project-1"}, token=token).body == {"reference_counter_increased": True}
            assert service.ask("allowed", PULL, token=token).status == 200
            assert not waiting.done()
            asked_back.set()
            assert waiting.result().status == 503
    service.stop()
    shutil.rmtree(directory, ignore_errors=True)


def test_a_replica_answers_who_a_key_is_and_the_primary_what_it_may(site: Site) -> None:
    """The replica of this test is another database, so that one sees who answers."""
    primary, other = temporary_directory(), temporary_directory()
    replica = Service(other)
    replica.migrate()
    replica.seed(COMPANY)
    service = Service(primary, variables={"DATABASE_REPLICA_URL": replica.environment["DATABASE_URL"]})
    service.start()
    token = service.shell_token()
    try:
        assert service.ask(f"authorized_keys?key={ED25519.split()[1].replace('+', '%2B')}", token=token).body["id"] == 11
        assert service.ask("discover?username=ann", token=token).body["id"] == 7
        assert service.ask("allowed", PULL, token=token).status == 404
        service.seed({"instance": {"read_only": True}, "storages": [{"name": "default"}]})
        assert service.ask("post_receive", {"gl_repository": "project-1", "changes": ""}, token=token).status == 200
    finally:
        service.stop()
        for directory in (primary, other):
            shutil.rmtree(directory, ignore_errors=True)


def test_the_files_name_the_commands_that_are_tested() -> None:
    command = '"gunicorn", "-c", "settings/gunicorn.py", "settings.wsgi"'
    assert f"CMD [{command}]" in (ROOT / "Dockerfile").read_text()
    assert "gunicorn -c settings/gunicorn.py settings.wsgi" in (ROOT / "deploy" / "control-plane.service").read_text()
    assert "manage.py db_worker" in (ROOT / "deploy" / "control-plane-worker@.service").read_text()
    for package in ("settings", "internal_api", "accounts", "repositories", "kubernetes_agent", "scim", "storage_limits"):
        assert f"COPY {package} {package}" in (ROOT / "Dockerfile").read_text()
        assert f"!{package}" in (ROOT / ".dockerignore").read_text().splitlines()
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert {"nginx", "postgres", "redis", "service", "worker"} <= set(compose["services"])
    for name, secret in compose["secrets"].items():
        assert secret == {"file": f"secrets/{name}"}


def test_the_doctor_finds_a_running_site_well_but_for_gitaly(site: Site) -> None:
    arguments = ["--url", f"http://127.0.0.1:{site.inner}", "--secret-file", str(site.service.shell_secret)]
    for bind in site.service.environment["BIND"].split(","):
        arguments += ["--url", f"http+unix://{bind.removeprefix('unix:')}" if bind.startswith("unix:") else f"http://{bind}"]
    done = doctor(site.service, *arguments)
    found = {finding["name"]: finding for finding in json.loads(done.stdout)}
    unwell = {name for name, finding in found.items() if finding["level"] != "well"}
    assert unwell <= {"storage default", "calls from Gitaly", "calls from GitLab Shell", "calls from Workhorse"}, found
    assert len([name for name in found if name.startswith("http")]) == 3
    assert (done.returncode, found["storage default"]["level"]) == (1, "problem")
