"""Kas against a running service: the requests of the document, as they are printed, and what an agent's life is made of."""

import json
from typing import Any

import pytest
from httpx2 import Client, Response

from tests.live.service import Service

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]

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
def agent(service: Service) -> dict[str, str]:
    """The headers of kas for an agent that a maintainer has made."""
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
    return {"Gitlab-Kas-Api-Request": service.manage("kas_token").strip(), "Authorization": f"Bearer {made['token']}"}


def test_the_life_of_an_agent(service: Service, agent: dict[str, str]) -> None:
    """Every endpoint but the proxy's, over HTTP; int64 as strings, a slash at the end, 200 or 204 as kas wants them."""
    base = "/api/v4/internal/kubernetes"
    with Client(base_url=service.url, headers=agent) as kas:

        def ask(method: str, path: str, body: Any = None) -> Response:
            return kas.request(method, base + path, json=body) if body is not None else kas.request(method, base + path)

        info = ask("GET", "/agent_info").json()
        assert (info["agent_name"], info["gitaly_repository"]["gl_project_path"], info["default_branch"]) == (
            "prod",
            "clusters/config",
            "main",
        )
        assert ask("GET", f"/project_info?id={info['project_id']}").json()["project_id"] == info["project_id"]
        assert ask("GET", "/verify_project_access?id=clusters%2Fconfig").status_code == 204
        config = {"agent_id": str(info["agent_id"]), "agent_config": {"ci_access": {"groups": [{"id": "clusters"}]}}}
        for path, body in (
            ("/agent_configuration", config),
            ("/usage_metrics", {"counters": {"k8s_api_proxy_request": 1}}),
            (
                "/agent_events",
                {"events": {"k8s_api_proxy_requests_unique_users_via_ci_access": [{"user_id": 1, "project_id": info["project_id"]}]}},
            ),
        ):
            answer = ask("POST", path, body)
            assert (answer.status_code, answer.content) == (204, b"")
        assert ask("GET", "/receptive_agents").json() == {"agents": []}
        put = ask("PUT", "/modules/starboard_vulnerability/", REPORT)
        assert put.status_code == 200
        assert ask("PUT", "/modules/starboard_vulnerability/", REPORT).json() == put.json()
        result = ask("POST", "/modules/starboard_vulnerability/scan_result", {"uuids": [put.json()["uuid"]]})
        assert (result.status_code, result.json()) == (200, 200)
        assert ask("GET", "/modules/starboard_vulnerability/policies_configuration").json()["configurations"][0]["cadence"] == "0 1 * * *"
        assert ask("GET", "/modules/starboard_vulnerability/scan_execution_policies").json()["policies"][0]["name"] == "Nightly"
    told = json.loads(service.manage("agent_metrics", "--json"))
    assert told["counters"]["k8s_api_proxy_request"] == 1
