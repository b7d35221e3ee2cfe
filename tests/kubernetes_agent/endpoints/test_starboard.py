"""What scanners report and ask (contract: kubernetes-agent 5, 6, 8.8 to 8.10; decisions 20)."""

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import User
from internal_api.declared_parameters import DeclaredParameters
from kubernetes_agent.findings import read_finding
from kubernetes_agent.models import Agent, DetectionTransition, Identifier, Scanner, SecurityPolicy, StateTransition, Vulnerability
from kubernetes_agent.services.vulnerabilities import keep_finding, resolve_others
from repositories.models import Namespace, Project
from repositories.services.access import set_member
from tests.factories import AgentFactory, GroupFactory, ProjectFactory, UserFactory
from tests.statements import at_most

PUT = "/api/v4/internal/kubernetes/modules/starboard_vulnerability"
RESULT = PUT + "/scan_result"
CONFIGURATIONS = PUT + "/policies_configuration"
POLICIES = PUT + "/scan_execution_policies"


def report(number: int = 4567, **changes: Any) -> dict[str, Any]:
    """A report as agentk sends it."""
    name = f"CVE-123-{number}"
    vulnerability = {
        "name": name,
        "severity": "High",
        "confidence": "Unknown",
        "message": f"{name} in libc",
        "solution": "Upgrade libc from 1 to 2",
        "location": {
            "image": "index.docker.io/library/nginx:1.16",
            "dependency": {"package": {"name": "libc"}, "version": "1"},
            "kubernetes_resource": {
                "namespace": "production",
                "kind": "deployment",
                "name": "nginx-ingress",
                "container_name": "",
                "agent_id": "1",
            },
            "operating_system": "debian 9.13",
        },
        "identifiers": [{"type": "cve", "name": name, "value": name, "url": f"https://avd.example.com/{name}"}],
        "links": [{"url": "https://example.com"}],
        **changes,
    }
    scanner = {"id": "starboard_trivy", "name": "Trivy (via Starboard Operator)", "vendor": {"name": "GitLab"}, "version": "1"}
    return {"vulnerability": vulnerability, "scanner": scanner}


DOCUMENTED = {
    "vulnerability": {
        "name": "CVE-123-4567 in libc",
        "severity": "high",
        "confidence": "unknown",
        "location": {"kubernetes_resource": {"namespace": "production", "kind": "deployment", "name": "nginx", "container": "nginx"}},
        "identifiers": [{"type": "cve", "name": "CVE-123-4567", "value": "CVE-123-4567"}],
    },
    "scanner": {"id": "starboard_trivy", "name": "Trivy (via Starboard Operator)", "vendor": "GitLab"},
}


def put(client: Client, body: Any, path: str = PUT) -> Any:
    return client.put(path, body, content_type="application/json")


def test_a_finding_is_kept_as_it_was_sent(agent_caller: Client, production: Agent, ann: User) -> None:
    """kubernetes-agent 8.8 #148, #155, #157, #158; the slash at the end is what agentk sends."""
    response = put(agent_caller, report(), PUT + "/")
    row = Vulnerability.objects.get()
    assert (response.status_code, response.json()) == (200, {"uuid": row.uuid})
    assert (row.title, row.severity, row.state, row.author, row.agent) == ("CVE-123-4567", 6, 1, ann, production)
    assert row.location == report()["vulnerability"]["location"]
    assert (row.scanner.external_id, row.scanner.name, row.scanner.vendor) == (
        "starboard_trivy",
        "Trivy (via Starboard Operator)",
        "GitLab",
    )
    assert [one.name for one in row.identifiers.all()] == ["CVE-123-4567"]
    production.refresh_from_db()
    assert production.has_vulnerabilities


def test_the_documents_request_works_as_printed(agent_caller: Client, production: Agent) -> None:
    response = put(agent_caller, DOCUMENTED)
    assert response.status_code == 200
    assert Vulnerability.objects.get().scanner.vendor == "GitLab"


def test_the_same_report_twice_is_one_finding(agent_caller: Client, production: Agent) -> None:
    """kubernetes-agent 8.8 #149, #163, #164: what is there stays as it was first."""
    first = put(agent_caller, report()).json()
    for state in (1, 2, 4):
        Vulnerability.objects.update(state=state)
        assert put(agent_caller, report(severity="Low", description="other")).json() == first
        row = Vulnerability.objects.get()
        assert (row.state, row.severity, row.description) == (state, 6, "")


def test_a_resolved_finding_that_returns_is_detected_again(agent_caller: Client, production: Agent, ann: User) -> None:
    """kubernetes-agent 5.5, decisions 20."""
    put(agent_caller, report())
    Vulnerability.objects.update(state=3, resolved_on_default_branch=True)
    put(agent_caller, report())
    row = Vulnerability.objects.get()
    assert (row.state, row.resolved_on_default_branch) == (1, False)
    transition = StateTransition.objects.get()
    assert (transition.from_state, transition.to_state, transition.author) == (3, 1, ann)


def test_each_project_has_a_scanner_of_its_own(agent_caller: Client, production: Agent) -> None:
    """kubernetes-agent 8.8 #160; name and vendor are those of the first report."""
    other = ProjectFactory.create(path="engines", namespace=production.project.namespace)
    Scanner.objects.create(project=other, external_id="starboard_trivy", name="Other")
    body = report()
    put(agent_caller, body)
    body["scanner"]["name"] = "Renamed"
    put(agent_caller, body | {"vulnerability": report(4568)["vulnerability"]})
    assert Scanner.objects.get(project=production.project).name == "Trivy (via Starboard Operator)"
    assert Scanner.objects.count() == 2


def test_a_long_name_is_cut_for_the_title(agent_caller: Client, production: Agent) -> None:
    put(agent_caller, report(name="x" * 300))
    assert Vulnerability.objects.get().title == "x" * 252 + "..."


@pytest.mark.parametrize("path", [PUT, RESULT])
@pytest.mark.parametrize("creator", ["reporter", "developer", "nobody", "blocked"])
def test_the_agents_maker_answers_for_it(agent_caller: Client, production: Agent, ann: User, path: str, creator: str) -> None:
    """kubernetes-agent 8.8 #154, 8.9 #185, decisions 20."""
    match creator:
        case "nobody":
            Agent.objects.update(created_by=None)
        case "blocked":
            User.objects.filter(pk=ann.pk).update(state="blocked")
        case _:
            set_member(production.project, ann, 20 if creator == "reporter" else 30)
    method = agent_caller.put if path == PUT else agent_caller.post
    response = method(path, report() if path == PUT else {"uuids": []}, content_type="application/json")
    assert (response.status_code, response.json()) == (403, {"message": "403 Forbidden"})
    assert not Vulnerability.objects.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"severity": "terrible"}, "'terrible' is not a valid severity", id="unknown severity"),
        pytest.param({"severity": ""}, "'' is not a valid severity", id="blank severity"),
        pytest.param({"identifiers": []}, "Validation failed: Identifiers can't be blank", id="no identifiers"),
        pytest.param({"name": "  "}, "Validation failed: Name can't be blank", id="blank name"),
        pytest.param({"name": "x" * 20_000}, "Validation failed: Name is too long (maximum is 15000 characters)", id="20,000 characters"),
        pytest.param({"description": "x" * 15_001}, "Validation failed: Description is too long (maximum is 15000 characters)", id="description"),
        pytest.param({"solution": "x" * 7_001}, "Validation failed: Solution is too long (maximum is 7000 characters)", id="solution"),
        pytest.param({"identifiers": [{"type": "cve", "name": f"CVE-{n}"} for n in range(1000)]}, "Validation failed: Identifiers are too many (maximum is 20)", id="1,000 identifiers"),
        pytest.param({"identifiers": [{"type": "cve", "name": "C", "url": "javascript:x"}]}, "Validation failed: Identifiers url is not a valid URL", id="url"),
        pytest.param({"links": [{}] * 101}, "Validation failed: Links and location are too long", id="links"),
        pytest.param({"location": {"kubernetes_resource": {"namespace": "n" * 256, "kind": "k", "name": "n"}}}, "Validation failed: Location is too long (maximum is 255 characters)", id="location"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_whole(agent_caller: Client, production: Agent, changes: dict[str, Any], message: str) -> None:
    """Decisions 20: 400, where upstream has a 500."""
    response = put(agent_caller, report(**changes))
    assert (response.status_code, response.json()) == (400, {"message": message})
    assert not any(model._default_manager.exists() for model in (Vulnerability, Scanner, Identifier))  # noqa: SLF001  the default manager


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param(report(identifiers=[{"type": "cve"}]), "vulnerability[identifiers][0][name] is missing", id="#170"),
        pytest.param(report(identifiers="x"), "vulnerability[identifiers] is invalid", id="no list"),
        pytest.param(report(severity=None), "vulnerability[severity] is missing, vulnerability[severity] is invalid", id="null severity"),
        pytest.param(report(name={}), "vulnerability[name] is invalid", id="no text"),
        pytest.param({**report(), "scanner": {"id": "x", "name": "x"}}, "scanner[vendor] is missing, scanner[vendor][name] is missing", id="no vendor"),
        pytest.param({**report(), "scanner": {"id": "x", "name": "x", "vendor": 7}}, "scanner[vendor] is invalid", id="neither"),
        pytest.param({**report(), "scanner": {"id": "x", "name": "x", "vendor": {}}}, "scanner[vendor][name] is missing", id="nameless"),
    ],
)  # fmt: skip
def test_what_is_missing_is_told(agent_caller: Client, production: Agent, body: Any, error: str) -> None:
    response = put(agent_caller, body)
    assert (response.status_code, response.json()) == (400, {"error": error})
    assert not Vulnerability.objects.exists()


@pytest.mark.parametrize("known", [0, 200])
def test_a_constant_number_of_statements(agent_caller: Client, production: Agent, known: int) -> None:
    agent_caller.get(CONFIGURATIONS)  # the first use of a token in an hour is written down
    for number in range(known):
        put(agent_caller, report(number))
    with at_most(10):
        assert put(agent_caller, report(9000)).status_code == 200
    with at_most(3):
        assert put(agent_caller, report(9000)).status_code == 200


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_of_eight_equal_reports_at_a_time_one_finding_remains() -> None:
    ann = UserFactory.create(username="ann")
    agent = AgentFactory.create(created_by=ann)
    finding = read_finding(DeclaredParameters(report()))
    uuids, ready = [], threading.Barrier(8)

    def attempt() -> None:
        ready.wait()
        uuids.append(keep_finding(agent, finding))
        connection.close()

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    row = Vulnerability.objects.get()
    assert uuids == [row.uuid] * 8
    assert (Scanner.objects.count(), Identifier.objects.count(), row.identifiers.count()) == (1, 1, 1)


# --- scan results ---


def result(client: Client, uuids: Any) -> Any:
    return client.post(RESULT, {"uuids": uuids}, content_type="application/json")


def test_what_a_scan_finds_no_more_is_resolved(agent_caller: Client, production: Agent) -> None:
    """kubernetes-agent 8.9 #173, #175, #181, #184; dismissed ones and another agent's stay."""
    uuids = [put(agent_caller, report(number)).json()["uuid"] for number in range(5)]
    Vulnerability.objects.filter(pk=uuids[3]).update(state=2)
    Vulnerability.objects.filter(pk=uuids[2]).update(state=4)
    other = AgentFactory.create(project=production.project, name="other", created_by=production.created_by)
    foreign = keep_finding(other, read_finding(DeclaredParameters(report())))
    for _ in range(2):
        response = result(agent_caller, [uuids[0], "unknown", "4773b2ee-5ba5-5e9f-b48c-5f7a17f0faac", uuids[1].upper()])
        assert (response.status_code, response.json()) == (200, 200)
        states = dict(Vulnerability.objects.values_list("pk", "state"))
        assert [states[uuid] for uuid in [*uuids, foreign]] == [1, 1, 3, 2, 3, 1]
    resolved = Vulnerability.objects.filter(resolved_on_default_branch=True)
    assert set(resolved.values_list("pk", flat=True)) == {uuids[2], uuids[4]}
    assert DetectionTransition.objects.filter(detected=False).count() == 2


@pytest.mark.parametrize("uuids", [[], None])
def test_an_empty_scan_resolves_everything(agent_caller: Client, production: Agent, uuids: Any) -> None:
    put(agent_caller, report())
    assert result(agent_caller, uuids).status_code == 200
    assert Vulnerability.objects.get().state == 3


@pytest.mark.parametrize(
    ("body", "error"), [({}, "uuids is missing"), ({"uuids": -1}, "uuids is invalid"), ({"uuids": [{}]}, "uuids is invalid")]
)
def test_what_is_no_scan_result(agent_caller: Client, production: Agent, body: Any, error: str) -> None:
    """kubernetes-agent 8.9 #178."""
    put(agent_caller, report())
    response = agent_caller.post(RESULT, body, content_type="application/json")
    assert (response.status_code, response.json()) == (400, {"error": error})
    assert Vulnerability.objects.get().state == 1


def test_ten_thousand_uuids_are_one_statement_for_each_table(agent_caller: Client, production: Agent) -> None:
    for number in range(3):
        put(agent_caller, report(number))
    uuids = [f"4773b2ee-5ba5-5e9f-b48c-{number:012}" for number in range(10_000)]
    with at_most(2):
        assert resolve_others(production, uuids) == 3


# --- policies ---

POLICY = "actions:\n- scan: container_scanning\nrules:\n- type: schedule\n  cadence: 30 2 * * *\n  agents:\n    production:\n      namespaces: [namespace-a, namespace-b]\n"
MOMENT = datetime(2022, 6, 2, 5, 36, 26, 999, tzinfo=UTC)
ITEM = {"cadence": "30 2 * * *", "namespaces": ["namespace-a", "namespace-b"], "updated_at": "2022-06-02T05:36:26+00:00"}


def policy(place: Project | Namespace, yaml: str = POLICY, name: str = "Policy", **fields: Any) -> SecurityPolicy:
    where = {"project": place} if isinstance(place, Project) else {"group": place}
    return SecurityPolicy.objects.create(name=name, yaml=yaml, updated_at=MOMENT, **where, **fields)


def configurations(client: Client) -> Any:
    response = client.get(CONFIGURATIONS)
    assert response.status_code == 200
    return response.json()["configurations"]


def test_when_to_scan_what(agent_caller: Client, production: Agent, acme: Namespace) -> None:
    """kubernetes-agent 8.10 #188, #191: the project's own policies and its groups'."""
    assert configurations(agent_caller) == []
    policy(production.project)
    policy(acme)
    policy(GroupFactory.create(path="other"))
    policy(ProjectFactory.create(path="engines", namespace=acme))
    assert configurations(agent_caller) == [ITEM, ITEM]


@pytest.mark.parametrize(
    ("yaml", "found"),
    [
        pytest.param(POLICY.replace("production", "staging"), None, id="#190"),
        pytest.param(POLICY.replace("schedule", "pipeline"), None, id="pipeline"),
        pytest.param(POLICY.replace("container_scanning", "dast"), None, id="#194"),
        pytest.param("actions: [", None, id="no YAML"),
        pytest.param("- a", None, id="no mapping"),
        pytest.param(POLICY.replace("[namespace-a, namespace-b]", "namespace-a"), ["namespace-a"], id="scalar"),
        pytest.param(POLICY.replace("[namespace-a, namespace-b]", "null"), [], id="null"),
        pytest.param(POLICY.replace("container_scanning", "cluster_image_scanning"), ["namespace-a", "namespace-b"], id="cluster"),
        pytest.param(POLICY + "policy_scope: {compliance_frameworks: [{id: 1}]}", None, id="frameworks"),
        pytest.param(POLICY + "policy_scope: {projects: {excluding: [{id: OWN}]}}", None, id="excluded"),
        pytest.param(POLICY + "policy_scope: {projects: {including: [{id: OTHER}]}}", None, id="others included"),
        pytest.param(POLICY + "policy_scope: {projects: {including: [{id: OWN}], excluding: [{type: archived}, {type: personal}]}}", ["namespace-a", "namespace-b"], id="included"),
        pytest.param(POLICY + "policy_scope: {groups: {excluding: [{id: GROUP}]}}", None, id="its group excluded"),
    ],
)  # fmt: skip
def test_which_policies_hold(agent_caller: Client, production: Agent, yaml: str, found: list[str] | None, acme: Namespace) -> None:
    ids = {"OWN": production.project_id, "OTHER": production.project_id + 1, "GROUP": acme.pk}
    for name, number in ids.items():
        yaml = yaml.replace(name, str(number))
    policy(production.project, yaml)
    assert [item["namespaces"] for item in configurations(agent_caller)] == ([] if found is None else [found])


def test_a_policy_that_is_off_scans_nothing_and_is_listed(agent_caller: Client, production: Agent) -> None:
    """Decisions 20."""
    policy(production.project, enabled=False, description="Nightly scans")
    assert configurations(agent_caller) == []
    (listed,) = agent_caller.get(POLICIES).json()["policies"]
    yaml = listed.pop("yaml")
    assert listed == {"name": "Policy", "description": "Nightly scans", "enabled": False, "updated_at": "2022-06-02T05:36:26+00:00"}
    assert yaml.startswith(
        "---\nname: Policy\ndescription: Nightly scans\nenabled: false\nactions:\n- scan: container_scanning\nrules:\n- type: schedule\n"
    )


@pytest.mark.parametrize("path", [CONFIGURATIONS, POLICIES, PUT, RESULT])
def test_strangers_get_nothing(kas: Client, stranger: Client, production: Agent, path: str) -> None:
    """kubernetes-agent 8.1 #23, #25; 8.2 #31, #32, #38, #40."""
    method = {PUT: "put", RESULT: "post"}.get(path, "get")
    assert getattr(kas, method)(path).json() == {"message": "401 Unauthorized"}
    assert getattr(stranger, method)(path).json() == {"message": "KAS JWT authentication invalid"}
