"""The tests' client notices an answer that the API's description does not know."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from internal_api.responses import JSONResponse
from tests.described_answers import UndescribedAnswerError, check_answer, close, described_path, operation_of

CHECK = "/api/v4/internal/check"
ANSWER = {"api_version": "v4", "gitlab_version": "1", "gitlab_rev": "a", "gitlab_revision": "a", "redis": True}


def test_an_answer_as_described() -> None:
    check_answer("GET", CHECK, JSONResponse(ANSWER))
    check_answer("GET", CHECK + "/", JSONResponse(ANSWER))
    check_answer("HEAD", CHECK, JSONResponse({}))


@pytest.mark.parametrize(
    ("method", "path", "response"),
    [
        pytest.param("GET", CHECK, JSONResponse({**ANSWER, "more": 1}), id="a field that is not described"),
        pytest.param("GET", CHECK, JSONResponse({"api_version": "v4"}), id="a field that is missing"),
        pytest.param("GET", CHECK, JSONResponse({**ANSWER, "redis": "yes"}), id="a field of another type"),
        pytest.param("GET", CHECK, JSONResponse(ANSWER, status=201), id="a status that is not described"),
        pytest.param("GET", CHECK, HttpResponse("{}", content_type="text/html"), id="another media type"),
        pytest.param("GET", CHECK, HttpResponse("{", content_type="application/json"), id="no JSON"),
        pytest.param("GET", "/api/v4/internal/nothing", JSONResponse(ANSWER), id="an address that is not described"),
        pytest.param("DELETE", CHECK, JSONResponse(ANSWER), id="a method that is not described"),
        pytest.param("PUT", CHECK, JSONResponse({"sorry": 1}, status=405), id="an error of another shape"),
        pytest.param("DELETE", "/api/scim/v2/application/Users/e1", HttpResponse("x", status=204), id="a body where there is none"),
    ],
)
def test_what_is_not_described_is_noticed(method: str, path: str, response: Any) -> None:
    with pytest.raises(UndescribedAnswerError):
        check_answer(method, path, response)


def test_every_client_checks_its_answers(shell: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("internal_api.views.check.JSONResponse", lambda body: JSONResponse({**body, "undeclared": 1}))
    with pytest.raises(UndescribedAnswerError, match="undeclared"):
        shell.get(CHECK)


def test_the_most_specific_path_is_found() -> None:
    assert described_path("/api/scim/v2/application/Users/a/b%") == "/api/scim/v2/application/Users/{identifier}"
    assert described_path("/api/scim/v2/application/Users/.search") == "/api/scim/v2/application/Users/.search"
    for uid in ("Users", "Schemas", "a/.search", "Groups/x"):
        assert described_path(f"/api/scim/v2/groups/g/Users/{uid}") == "/api/scim/v2/groups/{group_path}/Users/{identifier}"
    assert operation_of("HEAD", "/livez/") == ("/livez", "get")
    assert operation_of("PUT", "/livez") is None


def test_objects_are_closed_unless_they_are_declared_open() -> None:
    schema: dict[str, Any] = {"anyOf": [{"type": "object"}, {"type": "object", "additionalProperties": True}]}
    close(schema)
    assert [part["additionalProperties"] for part in schema["anyOf"]] == [False, True]
