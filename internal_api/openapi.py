"""The description of every endpoint for OpenAPI: what each app's `openapi` module says, put together by drf-spectacular.

The endpoints parse and answer by hand, since serializers would cost more than the rest of a decision; so they are described by
JSON schemas beside the views, which the tests hold against what the service really does. Nothing of this is loaded before
somebody asks for the schema.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from typing import Any

import yaml
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
ANYTHING: Schema = {}
ERROR = "#/components/schemas/Error"
_SECURITY = {
    "ShellAuthentication": "shell",
    "KasAuthentication": "kas",
    "AgentAuthentication": "agent",
    "ErrorTrackingAuthentication": "shell",
    "PersonalTokenAuthentication": "personal",
    "SCIMAuthentication": "scim",
    "WorkhorseAuthentication": "workhorse",
    "ShellOrWorkhorseAuthentication": "shell or workhorse",
}
_ALTERNATIVES: dict[tuple[str, ...], list[dict[str, list[str]]]] = {
    ("agent",): [{"kas": [], "agent": []}],
    ("shell or workhorse",): [{"shell": []}, {"workhorse": []}],
}
_STATUSES = {
    200: "Answered.",
    201: "Made.",
    204: "Done.",
    206: "The range that was asked for.",
    400: "The request cannot be understood.",
    401: "The caller has not proved who it is, or access is refused.",
    403: "The caller may not.",
    404: "There is no such thing, or not for this caller.",
    409: "There is one already.",
    412: "The request cannot be carried out in this state.",
    413: "The body is larger than 64 MiB.",
    415: "The body is neither JSON nor a form.",
    422: "The request cannot be carried out.",
    429: "Too many requests.",
    501: "Not part of this service.",
    503: "Something the answer depends on is away; try again.",
}
_ALWAYS = (400, 413, 415, 503)


def thing(properties: Mapping[str, Schema], *, closed: bool = True) -> Schema:
    """An object; names that end in a question mark may be absent."""
    required = [name for name in properties if not name.endswith("?")]
    schema: dict[str, Any] = {"type": "object", "properties": {name.rstrip("?"): value for name, value in properties.items()}}
    return schema | ({"required": required} if required else {}) | ({"additionalProperties": False} if closed else {})


def listing(item: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": item}


def one_of(*values: object) -> Schema:
    """One of some texts."""
    return {"enum": list(values)}


def or_null(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address: what it takes in its query and body, what it answers by status, and how it may refuse."""

    summary: str
    answers: Mapping[int, Schema | None]
    query: Mapping[str, Schema] = field(default_factory=dict)
    body: Schema | None = None
    errors: Sequence[int] = ()
    error: Schema = field(default_factory=lambda: {"$ref": ERROR})
    media_type: str = "application/json"
    always: Sequence[int] = _ALWAYS
    media_types: Mapping[int, str] = field(default_factory=dict)
    """Those of the statuses whose answers have another one."""


class EndpointSchema(AutoSchema):
    """drf-spectacular's view of an endpoint: the operation that the app's `openapi` module has for it."""

    def get_operation(self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any) -> dict[str, Any] | None:
        """The operation as OpenAPI has it. An endpoint without a description is an error: KeyError."""
        view = type(self.view)
        app = view.__module__.partition(".")[0]
        operation: Operation | None = import_module(f"{app}.openapi").OPERATIONS[view.__name__, self.view.action]  # type: ignore[attr-defined]  # ours are view sets
        return None if operation is None else self._told(operation, path, method)

    def _told(self, operation: Operation, path: str, method: str) -> dict[str, Any]:
        names = [_SECURITY[authentication.__name__] for authentication in self.view.authentication_classes]
        statuses = {*operation.errors, *operation.always, *([401] if names and names != ["workhorse"] else [])} - set(operation.answers)
        media = operation.media_type
        refusals = dict.fromkeys(statuses, operation.error)
        told: dict[str, Any] = {
            "operationId": f"{method.lower()}{path.replace('/', '_').replace('{', '').replace('}', '')}".replace("-", "_"),
            "summary": operation.summary,
            "description": (type(self.view).__doc__ or "").strip(),
            "tags": [type(self.view).__module__.partition(".")[0]],
            "parameters": self._parameters(operation, path),
            "responses": {
                str(status): {"description": _STATUSES[status]}
                | ({"content": {operation.media_types.get(status, media): {"schema": schema}}} if schema is not None else {})
                for status, schema in sorted({**operation.answers, **refusals}.items())
            },
        }
        if operation.body is not None:
            told["requestBody"] = {"required": True, "content": {media: {"schema": operation.body}}}
        if names:
            told["security"] = _ALTERNATIVES.get(tuple(names), [{name: []} for name in names])
        return told

    @staticmethod
    def _parameters(operation: Operation, path: str) -> list[dict[str, Any]]:
        in_path = [part.partition("}")[0] for part in path.split("{")[1:]]
        return [
            *({"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}} for name in in_path),
            *(
                {"name": name.rstrip("?"), "in": "query", "required": not name.endswith("?"), "schema": schema}
                for name, schema in operation.query.items()
            ),
        ]


def tidy_endpoints(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """drf-spectacular's hook: patterns with choices become one address, and catch-alls are left out."""
    tidied = []
    for path, regex, method, callback in endpoints:
        if "unknown" in (getattr(callback, "url_name", "") or "") or ".*" in path or "[" in path:
            continue
        plain = path.replace("(?:Users/)?\\.search", ".search").replace("(?:Users/)?.search", ".search").replace("\\.", ".")
        tidied.append((plain.replace("(?:Me|Bulk)", "Me"), regex, method, callback))
    return tidied


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """The whole document."""
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # the package's own
    return document


_HEALTH = thing(
    {
        "status": one_of("ok", "degraded", "draining", "failed"),
        "checks?": {"type": "object", "additionalProperties": FLAG},
        "database?": one_of("read-write", "read-only", "unreachable"),
        "shared_store?": one_of("ready", "read-only", "full", "unreachable"),
        "replica?": one_of("ready", "behind", "unreachable"),
    }
)
OPERATIONS: dict[tuple[str, str], Operation | None] = {
    ("CheckViewSet", "retrieve"): Operation(
        "Which service is this, and is its shared store well?",
        {200: thing({"api_version": TEXT, "gitlab_version": TEXT, "gitlab_rev": TEXT, "gitlab_revision": TEXT, "redis": FLAG})},
        always=(),
    ),
    ("HealthViewSet", "live"): Operation("Does the process answer?", {200: _HEALTH}, always=()),
    ("HealthViewSet", "ready"): Operation("Is what it needs there?", {200: _HEALTH, 503: _HEALTH}, always=()),
    ("MetricsViewSet", "node"): None,
    ("MetricsViewSet", "database"): None,
    ("SchemaViewSet", "retrieve"): None,
    ("ReferenceViewSet", "retrieve"): None,
}
"""The kernel's own, by view and action; None for what is no part of the API."""


def reference() -> list[dict[str, Any]]:
    """The operations by app, with their schemas as texts, for the page that people read."""
    sections: dict[str, list[dict[str, Any]]] = {}
    for path, methods in schema()["paths"].items():
        for method, operation in methods.items():
            sections.setdefault(operation["tags"][0], []).append(_entry(path, method, operation))
    return [{"name": name.replace("_", " "), "entries": entries} for name, entries in sorted(sections.items())]


def _entry(path: str, method: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {})
    return {
        "anchor": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "callers": [" and ".join(names) for names in operation.get("security", [])],
        "parameters": operation["parameters"],
        "body": _printed(body),
        "answers": [
            (status, answer["description"], _printed(answer.get("content", {}))) for status, answer in operation["responses"].items()
        ],
    }


def _printed(content: Mapping[str, Any]) -> str:
    return "".join(yaml.safe_dump(part["schema"], sort_keys=False, allow_unicode=True) for part in content.values())
