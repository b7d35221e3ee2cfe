"""The API's description is true: of what it takes, of what it answers, and of how it refuses."""

import os
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from django.test import Client
from hypothesis import HealthCheck, given, settings, strategies
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from internal_api.http.wsgi import ServiceHandler
from internal_api.openapi import schema
from tests.insider import insider_client
from tests.test_every_route import API

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = int(os.environ.get("EXAMPLES", "5"))
# Left out: negative_data_rejection, since the contract has endpoints that take nearly anything (decisions 16a, 22); and what
# says that valid data is accepted, since whether a text names something is not in a schema.
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
api = schemathesis.openapi.from_dict(schema())
api.app = ServiceHandler()
# By hand: the tests that schemathesis makes all have the same name, of which pytest-xdist runs but one.
OPERATIONS: list[Any] = [found.ok() for found in api.get_all_operations()]  # type: ignore[union-attr]  # an Err has none, and fails here


@pytest.fixture
def credentials(db: None) -> dict[str, str]:
    """Those of every kind of caller at once."""
    client = insider_client()
    return {name.removeprefix("HTTP_").replace("_", "-").lower(): str(value) for name, value in client.defaults.items()}


@pytest.mark.once
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.filter_too_much,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(data=strategies.data())
def test_every_answer_is_one_that_the_description_knows(operation: Any, credentials: dict[str, str], data: Any) -> None:
    case = data.draw(strategies.one_of([operation.as_strategy(mode) for mode in GenerationMode]))
    case.call_and_validate(headers=credentials, checks=CHECKS)


def test_every_operation_is_asked() -> None:
    assert len({operation.label for operation in OPERATIONS}) == sum(len(methods) for methods in schema()["paths"].values()) > 60


def test_every_address_is_described() -> None:
    described = {path.replace("{identifier}", "").replace("{group_path}", "") for path in schema()["paths"]}
    assert len(described) > 50
    for path, pattern in API:
        if "(" in path or "[" in path or "unknown" in str(pattern.name):
            continue
        plain = "/" + path.replace("^", "").replace("$", "").replace("\\.", ".")
        assert plain in schema()["paths"], plain


def test_the_description_that_is_checked_in_is_the_codes() -> None:
    assert yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text()) == yaml.safe_load(yaml.safe_dump(schema()))


def test_the_description_is_served_as_yaml_and_json(stranger: Client) -> None:
    answered = stranger.get("/api/schema/")
    assert (answered.status_code, answered["Content-Type"]) == (200, "application/yaml")
    assert yaml.safe_load(answered.content)["openapi"].startswith("3.1")
    assert stranger.get("/api/schema", {"format": "json"}).json() == yaml.safe_load(answered.content)


def test_the_page_shows_every_operation_and_needs_nobody_else(stranger: Client) -> None:
    page = stranger.get("/docs/")
    text = page.content.decode()
    assert page.status_code == 200
    for path, methods in schema()["paths"].items():
        for method in methods:
            assert f"<b>{method.upper()}</b> {path}" in text
    assert "<script" not in text
    assert "//" not in text.replace("http://localhost:3001", "").split("<body>")[0].replace("<!DOCTYPE", "")
    assert "script-src" not in page["Content-Security-Policy"]
