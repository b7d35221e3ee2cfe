"""Every answer that a test gets is held against docs/openapi.yaml: its status, its media type and all of its fields.

An object is closed unless its schema says `additionalProperties`. The document is read, and its schemas are compiled, once in a
process; an operation's when it is answered for the first time.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "openapi.yaml"
PAGES = ("/admin", "/metrics", "/api/schema", "/docs")
"""What people and Prometheus read; no part of the API."""
UNDESCRIBED = {
    500: "a fault of ours, which a test's client raises unless the test is about the answer",
    405: "of methods that an address does not have, which OpenAPI has no place for",
}
REFUSED_BEFORE_ROUTING = b'{"message":"400 Bad request"}'
"""Of a Host header that names another service, which no operation has seen."""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_METHODS = frozenset({"get", "post", "put", "patch", "delete"})


class UndescribedAnswerError(AssertionError):
    """An answer that the API's description does not know."""


@cache
def document() -> dict[str, Any]:
    """The description, with closed objects."""
    read: dict[str, Any] = yaml.load(DOCUMENT.read_text(), Loader=_LOADER)  # noqa: S506  a safe loader
    for methods in read["paths"].values():
        for operation in methods.values():
            close(operation["responses"])
    close(read["components"]["schemas"])
    return read


def close(schema: Any) -> None:
    """Let each object have the properties that are declared, and no other."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and "additionalProperties" not in schema:
            schema["additionalProperties"] = False
        for part in schema.values():
            close(part)
    elif isinstance(schema, list):
        for part in schema:
            close(part)


def _pattern(template: str) -> str:
    """Only a group's path is one segment: an id of SCIM's and a namespace's path may have slashes."""
    parts = re.split(r"\{(\w+)\}", template)
    return "".join(("[^/]+" if part == "group_path" else ".+") if index % 2 else re.escape(part) for index, part in enumerate(parts))


@cache
def _patterns() -> tuple[dict[str, str], list[tuple[re.Pattern[str], str]]]:
    """Paths without parameters, and patterns of the others, those first that name more."""
    templates = sorted((path for path in document()["paths"] if "{" in path), key=lambda path: (path.count("{"), -len(path)))
    patterns = [(re.compile(_pattern(path), re.DOTALL), path) for path in templates]
    return {path: path for path in document()["paths"] if "{" not in path}, patterns


@lru_cache(maxsize=4096)
def described_path(path: str) -> str | None:
    """Return the path in the description that an address belongs to, None where there is none."""
    plain, patterns = _patterns()
    address = "/" + path.strip("/")
    return plain.get(address) or next((template for pattern, template in patterns if pattern.fullmatch(address)), None)


@cache
def _validator(path: str, method: str, status: int) -> tuple[str | None, Any]:
    """Return the media type and the compiled schema of an answer. Raises KeyError for one that is not described."""
    content: Mapping[str, Any] = document()["paths"][path][method]["responses"][str(status)].get("content", {})
    for media_type, part in content.items():
        return media_type, compiled(part["schema"])
    return None, None


def compiled(schema: Mapping[str, Any]) -> Any:
    """A validator of a schema that may refer to the components."""
    return jsonschema_rs.validator_for({**schema, "components": document()["components"]})


@cache
def _error() -> Any:
    return compiled({"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("Error", "SCIMError")]})


def operation_of(method: str, path: str) -> tuple[str, str] | None:
    """Return the path and method of the operation that serves a request, None where none is described."""
    template = described_path(path)
    method = "get" if method == "HEAD" else method.lower()
    return (template, method) if template is not None and method in document()["paths"][template] else None


def is_gits(path: str) -> bool:
    """Whether an address belongs to Git's protocol or Git LFS', which OpenAPI does not describe (docs/git-over-https.md)."""
    return ".git/" in path or path.endswith("/info/refs")


def check_answer(method: str, path: str, response: Any) -> None:
    """Raise UndescribedAnswerError for an answer that the description does not know."""
    if path.startswith(PAGES) or is_gits(path):
        return
    problems = list(_problems(method, path, response))
    if problems:
        raise UndescribedAnswerError(f"{method} {path} {response.status_code} {response.content[:500]!r}: {'; '.join(problems[:5])}")


def _problems(method: str, path: str, response: Any) -> Iterator[str]:
    operation, status = operation_of(method, path), response.status_code
    if operation is None or status in UNDESCRIBED or (status == 400 and response.content == REFUSED_BEFORE_ROUTING):
        yield from _of_an_error(method, response)
        return
    try:
        media_type, validator = _validator(*operation, status)
    except KeyError:
        yield "the status is not described"
        return
    if validator is None:
        if response.content:
            yield "no body is described"
        return
    found = response.headers.get("Content-Type", "")
    if found.partition(";")[0] != media_type:
        yield f"the media type is {found!r}, not {media_type!r}"
    elif method != "HEAD" and media_type != "application/octet-stream":
        yield from _of_a_body(validator, response)


def _of_an_error(method: str, response: Any) -> Iterator[str]:
    """What no operation answers is an error in JSON."""
    if response.status_code < 400:
        yield "the address or the method is not described"
    elif method != "HEAD":
        yield from _of_a_body(_error(), response)


def _of_a_body(validator: Any, response: Any) -> Iterator[str]:
    try:
        body = json.loads(response.content)
    except ValueError:
        yield "the body is not JSON"
        return
    if not validator.is_valid(body):
        yield from (f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in validator.iter_errors(body))
