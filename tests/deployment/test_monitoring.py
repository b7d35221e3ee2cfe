"""Alerts that fire when they should, by Prometheus itself: its unit tests of rules, and a database that stops under two nodes."""

import json
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.deployment.conftest import Maker
from tests.deployment.pages import execute, page
from tests.deployment.scratch_root import ROOT
from tests.live.service import Service, temporary_directory
from tests.servers import START_SECONDS, PostgreSQL, free_port, wait_until

pytestmark = pytest.mark.deployment
RULES = ROOT / "deploy" / "alerts.yaml"


def test_the_rules_are_valid_and_fire_when_they_should() -> None:
    subprocess.run(["promtool", "check", "rules", str(RULES)], check=True, capture_output=True)
    done = subprocess.run(
        ["promtool", "test", "rules", "tests/deployment/alerts_test.yaml"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_rule_for_the_whole_fleet_is_tested() -> None:
    """The others, about requests, are as they were before; what says that something is gone is the kind that is got wrong."""
    tested = yaml.safe_load((ROOT / "tests" / "deployment" / "alerts_test.yaml").read_text())["tests"]
    names = {case["alertname"] for test in tested for case in test["alert_rule_test"] if case.get("exp_alerts")}
    rules = {rule["alert"]: rule["expr"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    assert names <= set(rules)
    about_requests = {"InternalAPIFails", "InternalAPISlow", "GitalyFails", "TokensRefused", "RateLimited"}
    assert set(rules) - about_requests == names


@dataclass
class Watched:
    """Two nodes, their database, and the Prometheus that watches them."""

    nodes: list[Service]
    database: PostgreSQL
    port: int

    def firing(self) -> list[dict[str, str]]:
        """The labels of the alerts that fire."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/alerts", timeout=START_SECONDS) as response:
            found = json.load(response)["data"]["alerts"]
        return [alert["labels"] for alert in found if alert["state"] == "firing"]

    def fires(self, name: str) -> bool:
        return any(labels["alertname"] == name for labels in self.firing())


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with ExitStack() as stack:
        database = PostgreSQL()
        stack.callback(database.remove)
        database.start()
        nodes = [started_node(stack, database, is_first=number == 0) for number in range(2)]
        port = free_port()
        prometheus = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={configuration(tmp_path, nodes)}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=error",
            ]
        )
        stack.callback(prometheus.wait)
        stack.callback(prometheus.terminate)
        wait_until(lambda: is_ready(port), "Prometheus")
        yield Watched(nodes, database, port)


def is_ready(port: int) -> bool:
    """Whether Prometheus answers, which it does some time after it listens."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=START_SECONDS).close()
    except urllib.error.URLError:
        return False
    return True


def started_node(stack: ExitStack, database: PostgreSQL, *, is_first: bool) -> Service:
    directory = temporary_directory()
    stack.callback(shutil.rmtree, directory, ignore_errors=True)
    node = Service(directory, variables={"DATABASE_URL": database.url})
    if is_first:
        node.manage("migrate", "--verbosity", "0")
    node.start()
    stack.callback(node.stop)
    return node


def configuration(directory: Path, nodes: list[Service]) -> Path:
    """The shipped files, with these nodes and with seconds where they have minutes."""
    rules = re.sub(r"for: \d+m", "for: 1s", RULES.read_text()).replace("[5m]", "[1m]")
    (directory / "alerts.yaml").write_text(rules)
    text = (ROOT / "deploy" / "prometheus.yml").read_text()
    text = text.replace("15s", "3s").replace("scrape_interval", "evaluation_interval: 1s\n  scrape_interval", 1)
    targets = json.dumps([node.url.removeprefix("http://") for node in nodes])
    text = text.replace('["127.0.0.1:3001"]', targets).replace("/etc/prometheus/control-plane-alerts.yaml", str(directory / "alerts.yaml"))
    (directory / "prometheus.yml").write_text(text)
    subprocess.run(["promtool", "check", "config", str(directory / "prometheus.yml")], check=True, capture_output=True)
    return directory / "prometheus.yml"


def test_an_alert_fires_while_the_database_is_stopped_a_node_is_down_or_no_worker_is_there(watched: Watched) -> None:
    """Each fact is one alert, though two nodes tell it."""
    wait_until(lambda: watched.fires("NoWorker"), "the alert of the missing worker")
    worker = subprocess.Popen(
        [sys.executable, "manage.py", "db_worker"], cwd=ROOT, env=watched.nodes[0].environment, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: watched.firing() == [], "quiet")
        watched.database.stop()
        wait_until(lambda: watched.fires("ServiceNotReady"), "the alert of the database")
        about_it = [labels for labels in watched.firing() if labels["alertname"] == "ServiceNotReady" and labels["check"] == "database"]
        assert about_it == [{"alertname": "ServiceNotReady", "check": "database", "severity": "page"}]
        assert not watched.fires("ServiceDown"), "the nodes go on telling what they count"
        wait_until(lambda: watched.fires("DatabaseFactsMissing"), "the alert of what nobody can tell")
        watched.database.start()
        wait_until(lambda: watched.firing() == [], "quiet again")
        watched.nodes[1].stop()
        wait_until(lambda: watched.fires("ServiceDown"), "the alert of the node")
        assert [labels["alertname"] for labels in watched.firing()] == ["ServiceDown"]
    finally:
        worker.terminate()
        worker.wait(START_SECONDS)


def test_the_page_is_executed(scratch_roots: Maker, source: Path) -> None:
    machine = scratch_roots(systemd=True, trees={"/opt/control-plane": source})
    with machine.terminal() as terminal:
        execute(page("monitoring"), {"": terminal})
    rules = json.loads(machine.run("curl -sf http://127.0.0.1:9090/api/v1/rules"))
    assert {rule["name"] for group in rules["data"]["groups"] for rule in group["rules"]} >= {"ServiceDown", "ServiceNotReady"}
