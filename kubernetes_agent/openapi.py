"""What OpenAPI is told of the endpoints that kas asks."""

from internal_api.openapi import ANYTHING, FLAG, NUMBER, TEXT, Operation, Schema, listing, one_of, or_null, thing
from repositories.openapi import REPOSITORY

_PROJECT: dict[str, Schema] = {
    "project_id": NUMBER,
    "gitaly_info": thing({"address": TEXT, "token": or_null(TEXT)}),
    "gitaly_repository": REPOSITORY,
    "default_branch": TEXT,
}
_OBJECT: Schema = {"type": "object"}
_INTEGERS: Schema = {"type": "object", "additionalProperties": or_null({"type": "integer", "maximum": 1_000_000})}
_LISTS: Schema = {"type": "object", "additionalProperties": or_null(listing(NUMBER))}
_RECEPTIVE = thing(
    {
        "id": NUMBER,
        "url": TEXT,
        "ca_cert": or_null(TEXT),
        "tls_host": or_null(TEXT),
        "jwt": or_null(thing({"private_key": TEXT})),
        "mtls": or_null(thing({"client_key": TEXT, "client_cert": TEXT})),
    }
)
_IDENTIFIER = thing({"type": TEXT, "name": TEXT, "value?": or_null(TEXT), "url?": or_null(TEXT)}, closed=False)
_RESOURCE = thing({"namespace": TEXT, "kind": TEXT, "name": TEXT}, closed=False)
_FINDING = thing(
    {
        "vulnerability": thing(
            {
                "name": TEXT,
                "severity": one_of("info", "unknown", "low", "medium", "high", "critical"),
                "location": thing({"kubernetes_resource": _RESOURCE}, closed=False),
                "identifiers": listing(_IDENTIFIER),
                "message?": or_null(TEXT),
                "description?": or_null(TEXT),
                "solution?": or_null(TEXT),
                "links?": or_null(listing(ANYTHING)),
            },
            closed=False,
        ),
        "scanner": thing({"id": TEXT, "name": TEXT, "vendor": {"anyOf": [TEXT, thing({"name": TEXT}, closed=False)]}}, closed=False),
    },
    closed=False,
)
_POLICY = thing({"name": TEXT, "description": TEXT, "enabled": FLAG, "yaml": TEXT, "updated_at": TEXT})
_CONFIGURATION = thing({"cadence": TEXT, "namespaces": listing(TEXT), "updated_at": TEXT})
_WITH_ROLES = listing(thing({"id": NUMBER, "roles": listing(TEXT)}))
_AS_THE_AGENT = thing({"agent": thing({})})
_AS_THE_USER = thing({"user": thing({"projects": _WITH_ROLES, "groups": _WITH_ROLES})})
_ACCESS = thing(
    {
        "agent": thing({"id": NUMBER, "config_project": thing({"id": NUMBER})}),
        "user": thing({"id": NUMBER, "username": TEXT}),
        "access_as": {"anyOf": [_AS_THE_AGENT, _AS_THE_USER]},
    }
)

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("AgentInfoViewSet", "retrieve"): Operation(
        "Which agent is this, and where is its configuration?",
        {200: thing({"agent_id": NUMBER, "agent_name": TEXT, **_PROJECT})},
        errors=(403, 404),
    ),
    ("ProjectInfoViewSet", "retrieve"): Operation(
        "Where does a project lie?", {200: thing(_PROJECT)}, query={"id": TEXT}, errors=(403, 404)
    ),
    ("VerifyProjectAccessViewSet", "retrieve"): Operation("May the agent read a project?", {204: None}, query={"id": TEXT}, errors=(404,)),
    ("AgentConfigurationViewSet", "create"): Operation(
        "A configuration file has changed",
        {204: None},
        body=thing({"agent_id": NUMBER, "agent_config": {"anyOf": [_OBJECT, TEXT]}}, closed=False),
        errors=(404,),
    ),
    ("AuthorizeProxyUserViewSet", "create"): Operation(
        "May somebody use a cluster, and as whom?",
        {201: _ACCESS},
        body=thing(
            {
                "agent_id": NUMBER,
                "access_type": one_of("personal_access_token", "session_cookie"),
                "access_key": TEXT,
                "csrf_token?": or_null(TEXT),
            },
            closed=False,
        ),
        errors=(403, 404),
    ),
    ("UsageMetricsViewSet", "create"): Operation(
        "What kas has counted",
        {204: None},
        body=thing({"counters?": or_null(_INTEGERS), "unique_counters?": or_null(_LISTS)}, closed=False),
    ),
    ("AgentEventsViewSet", "create"): Operation(
        "Who used the proxy, and which agents came", {204: None}, body=thing({"events?": or_null(_OBJECT)}, closed=False)
    ),
    ("ReceptiveAgentsViewSet", "list"): Operation("The agents that kas calls", {200: thing({"agents": listing(_RECEPTIVE)})}),
    ("VulnerabilityViewSet", "update"): Operation(
        "A scanner has found something", {200: thing({"uuid": TEXT})}, body=_FINDING, errors=(403, 404)
    ),
    ("ScanResultViewSet", "create"): Operation(
        "All that a scan has found", {200: one_of(200)}, body=thing({"uuids": or_null(listing(TEXT))}, closed=False), errors=(403, 404)
    ),
    ("PoliciesConfigurationViewSet", "list"): Operation("When to scan what", {200: thing({"configurations": listing(_CONFIGURATION)})}),
    ("ScanExecutionPoliciesViewSet", "list"): Operation("The policies themselves", {200: thing({"policies": listing(_POLICY)})}),
}
"""By view and action."""
