"""What kas asks; mounted under /api/v4/internal."""

from django.urls import URLPattern, URLResolver, include, path

from kubernetes_agent.views.agent_configuration import AgentConfigurationViewSet
from kubernetes_agent.views.agent_info import AgentInfoViewSet, ProjectInfoViewSet, VerifyProjectAccessViewSet
from kubernetes_agent.views.authorize_proxy_user import AuthorizeProxyUserViewSet
from kubernetes_agent.views.metrics import AgentEventsViewSet, UsageMetricsViewSet
from kubernetes_agent.views.receptive_agents import ReceptiveAgentsViewSet
from kubernetes_agent.views.starboard import (
    PoliciesConfigurationViewSet,
    ScanExecutionPoliciesViewSet,
    ScanResultViewSet,
    VulnerabilityViewSet,
)

_starboard: list[URLPattern | URLResolver] = [
    path("", VulnerabilityViewSet.as_view({"put": "update"}), name="starboard_vulnerability"),
    path("/scan_result", ScanResultViewSet.as_view({"post": "create"}), name="starboard_scan_result"),
    path("/policies_configuration", PoliciesConfigurationViewSet.as_view({"get": "list"}), name="policies_configuration"),
    path("/scan_execution_policies", ScanExecutionPoliciesViewSet.as_view({"get": "list"}), name="scan_execution_policies"),
]
_kubernetes: list[URLPattern | URLResolver] = [
    path("agent_info", AgentInfoViewSet.as_view({"get": "retrieve"}), name="kubernetes_agent_info"),
    path("project_info", ProjectInfoViewSet.as_view({"get": "retrieve"}), name="project_info"),
    path("verify_project_access", VerifyProjectAccessViewSet.as_view({"get": "retrieve"}), name="verify_project_access"),
    path("agent_configuration", AgentConfigurationViewSet.as_view({"post": "create"}), name="agent_configuration"),
    path("authorize_proxy_user", AuthorizeProxyUserViewSet.as_view({"post": "create"}), name="authorize_proxy_user"),
    path("usage_metrics", UsageMetricsViewSet.as_view({"post": "create"}), name="usage_metrics"),
    path("agent_events", AgentEventsViewSet.as_view({"post": "create"}), name="agent_events"),
    path("receptive_agents", ReceptiveAgentsViewSet.as_view({"get": "list"}), name="receptive_agents"),
    path("modules/starboard_vulnerability", include(_starboard)),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("agents/agentk/agent_info", AgentInfoViewSet.as_view({"get": "retrieve"}), name="agent_info"),
    path("kubernetes/", include(_kubernetes)),
]
