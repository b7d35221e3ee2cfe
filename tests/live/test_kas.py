"""Kas against a running service: the requests of the document, as they are printed, and what an agent's life is made of."""

import json

import pytest

from tests.live.kas_client import BASE, Kas
from tests.live.proxy import Proxy
from tests.live.service import Service
from tests.recordings.exchanges import recorded_shapes

pytestmark = [pytest.mark.live]

REPORT = {
    "vulnerability": {
        "name": "CVE-123-4567 in libc",
        "severity": "high",
        "confidence": "unknown",
        "location": {"kubernetes_resource": {"namespace": "production", "kind": "deployment", "name": "nginx", "container": "nginx"}},
        "identifiers": [{"type": "cve", "name": "CVE-123-4567", "value": "CVE-123-4567"}],
    },
    "scanner": {"id": "starboard_trivy", "name": "Trivy (via Starboard Operator)", "vendor": "GitLab"},
}


@pytest.fixture(scope="module")
def agent_token(service: Service) -> str:
    """The token of an agent that a maintainer has made."""
    policy = {
        "name": "Nightly",
        "yaml": "actions: [{scan: container_scanning}]\nrules: [{type: schedule, cadence: 0 1 * * *, agents: {prod: {}}}]",
    }
    service.seed(
        {
            "users": [{"username": "maintainer"}],
            "groups": [{"path": "clusters", "members": {"maintainer": "maintainer"}, "security_policies": [policy]}],
            "projects": [{"path": "clusters/config"}],
        }
    )
    service.manage("create_agent", "clusters/config", "prod", "--created-by", "maintainer")
    made = json.loads(service.manage("create_agent_token", "clusters/config", "prod", "first", "--json"))
    return str(made["token"])


@pytest.fixture
def kas(service: Service, agent_token: str, proxy: Proxy) -> Kas:
    """Kas, before whose calls the proxy stands."""
    return Kas(proxy.url, service.manage("kas_token").strip(), agent_token)


def test_the_life_of_an_agent(service: Service, kas: Kas, proxy: Proxy) -> None:
    """Every endpoint but the proxy's, over HTTP; int64 as strings, a slash at the end, 200 or 204 as kas wants them."""
    info = kas.ask("GET", "/agent_info").json()
    assert (info["agent_name"], info["gitaly_repository"]["gl_project_path"], info["default_branch"]) == (
        "prod",
        "clusters/config",
        "main",
    )
    assert kas.ask("GET", f"/project_info?id={info['project_id']}").json()["project_id"] == info["project_id"]
    assert kas.ask("GET", "/verify_project_access?id=clusters%2Fconfig").status == 204
    config = {"agent_id": str(info["agent_id"]), "agent_config": {"ci_access": {"groups": [{"id": "clusters"}]}}}
    for path, body in (
        ("/agent_configuration", config),
        ("/usage_metrics", {"counters": {"k8s_api_proxy_request": 1}, "unique_counters": {}}),
        (
            "/agent_events",
            {"events": {"k8s_api_proxy_requests_unique_users_via_ci_access": [{"user_id": 1, "project_id": info["project_id"]}]}},
        ),
    ):
        answer = kas.ask("POST", path, body)
        assert (answer.status, answer.content) == (204, b"")
    assert kas.ask("GET", "/receptive_agents").json() == {"agents": []}
    put = kas.ask("PUT", "/modules/starboard_vulnerability/", REPORT)
    assert put.status == 200
    assert kas.ask("PUT", "/modules/starboard_vulnerability/", REPORT).json() == put.json()
    result = kas.ask("POST", "/modules/starboard_vulnerability/scan_result", {"uuids": [put.json()["uuid"]]})
    assert (result.status, result.json()) == (200, 200)
    assert kas.ask("GET", "/modules/starboard_vulnerability/policies_configuration").json()["configurations"][0]["cadence"] == "0 1 * * *"
    assert kas.ask("GET", "/modules/starboard_vulnerability/scan_execution_policies").json()["policies"][0]["name"] == "Nightly"
    told = json.loads(service.manage("agent_metrics", "--json"))
    assert told["counters"]["k8s_api_proxy_request"] == 1
    recorded = {shape.path for shape in recorded_shapes() if shape.path.startswith(BASE)}
    never_played = {"/authorize_proxy_user", "/modules/starboard_vulnerability/nope"}
    assert recorded - {exchange.shape.path for exchange in proxy.exchanges} == {BASE + path for path in never_played}
