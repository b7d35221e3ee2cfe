"""What scanners in clusters report and ask, through kas (contract: kubernetes-agent 5 and 6)."""

from rest_framework.request import Request

from internal_api.declared_parameters import DeclaredParameters
from internal_api.logs import note
from internal_api.responses import JSONResponse
from kubernetes_agent.findings import read_finding
from kubernetes_agent.selectors.policies import policies_of, policy_answer, scan_configurations
from kubernetes_agent.services.vulnerabilities import check_reporter, keep_finding, resolve_others
from kubernetes_agent.views.base import AgentViewSet


class VulnerabilityViewSet(AgentViewSet):
    """PUT modules/starboard_vulnerability: a weakness was found; the same report twice is one (contract: kubernetes-agent 5.1, 5.2)."""

    def update(self, request: Request) -> JSONResponse:
        finding = read_finding(DeclaredParameters.of(self.parameters()))
        check_reporter(self.agent)
        return JSONResponse({"uuid": keep_finding(self.agent, finding)})


class ScanResultViewSet(AgentViewSet):
    """POST modules/starboard_vulnerability/scan_result: all that a scan has found (contract: kubernetes-agent 5.4)."""

    def create(self, request: Request) -> JSONResponse:
        declared = DeclaredParameters.of(self.parameters())
        uuids = [] if "uuids" in declared.values and declared.values["uuids"] is None else declared.required_texts("uuids")
        declared.check()
        check_reporter(self.agent)
        note(request, resolved=resolve_others(self.agent, uuids))
        return JSONResponse(200)


class PoliciesConfigurationViewSet(AgentViewSet):
    """GET modules/starboard_vulnerability/policies_configuration: when to scan what (contract: kubernetes-agent 6.2)."""

    def list(self, request: Request) -> JSONResponse:
        return JSONResponse({"configurations": scan_configurations(self.agent)})


class ScanExecutionPoliciesViewSet(AgentViewSet):
    """GET modules/starboard_vulnerability/scan_execution_policies: the policies themselves (contract: decisions 20)."""

    def list(self, request: Request) -> JSONResponse:
        return JSONResponse({"policies": [policy_answer(policy) for policy in policies_of(self.agent.project)]})
