"""What a request asks, in whatever form it comes (contract: decisions 3 to 5, shell-endpoints 1.2)."""

import json
from typing import Any

import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from internal_api.errors import BadRequestError, DomainError, UnsupportedMediaTypeError
from internal_api.parameters import Parameters

FORM = "application/x-www-form-urlencoded"


def read(body: str | bytes = b"", content_type: str = FORM, query: str = "") -> dict[str, Any]:
    data = body.encode() if isinstance(body, str) else body
    request = RequestFactory().generic("POST", "/", data, content_type, QUERY_STRING=query)
    return dict(Parameters.of(request).values)


@pytest.mark.parametrize(
    ("form", "values"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a=", {"a": ""}),
        ("a", {"a": ""}),
        ("a=1+2%2B3", {"a": "1 2+3"}),
        ("a[]=1&a[]=2", {"a": ["1", "2"]}),
        ("a%5B%5D=1", {"a": ["1"]}),
        ("a[b]=1&a[c]=2", {"a": {"b": "1", "c": "2"}}),
        ("a[b][]=1&a[b][]=2", {"a": {"b": ["1", "2"]}}),
        ("[]=1", {"[]": "1"}),
    ],
)
def test_forms_and_queries_read_alike(form: str, values: dict[str, Any]) -> None:
    assert read(form) == read(query=form) == values


def test_the_body_wins_over_the_query() -> None:
    """Decisions 4a."""
    assert read("a=body", query="a=query&b=query") == {"a": "body", "b": "query"}
    assert read('{"a":"body"}', "application/json", "a=query&b=query") == {"a": "body", "b": "query"}


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "application/scim+json"])
def test_json_is_read(content_type: str) -> None:
    assert read('{"a":[1,"\\u003c"],"b":null}', content_type) == {"a": [1, "<"], "b": None}
    assert read("", content_type) == {}


MULTIPART = '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'


def test_a_form_may_come_in_parts() -> None:
    assert read(MULTIPART, "multipart/form-data; boundary=x") == {"a": "1"}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("{", "application/json"),
        ("[]", "application/json"),
        ("null", "application/json"),
        ('"text"', "application/json"),
        ('{"a":NaN}', "application/json"),
        ('{"a":-Infinity}', "application/json"),
        ('{"a":1,"a":2}', "application/json"),
        ('{"a":{"b":1,"b":2}}', "application/json"),
        ('{"a":"\\u0000"}', "application/json"),
        ('{"\\u0000":1}', "application/json"),
        ('{"a":[{"b":"\\ud800"}]}', "application/json"),
        (b'{"a":"\xff"}', "application/json"),
        ('{"a":' + "[" * 500 + "]" * 500 + "}", "application/json"),
        ('{"a":' + "[" * 100_000, "application/json"),
        ('{"a":' + "9" * 5000 + "}", "application/json"),
        ("a=1&a=2", FORM),
        ("a=%00", FORM),
        ("a=%FF", FORM),
        (b"a=\xff", FORM),
        ("a=1&a[]=2", FORM),
        ("a[]=1&a=2", FORM),
        ("a[b]=1&a=2", FORM),
        ("a=1&a[b]=2", FORM),
        ("a[b]=1&a[b]=2", FORM),
    ],
)
def test_what_cannot_be_read_is_a_bad_request(body: str | bytes, content_type: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        read(body, content_type)
    assert caught.value.message.startswith("400 Bad request - ")


def test_another_content_type_is_refused() -> None:
    with pytest.raises(UnsupportedMediaTypeError) as caught:
        read("<a/>", "text/xml")
    assert caught.value.message == "The provided content-type 'text/xml' is not supported."


@pytest.mark.parametrize(
    ("value", "record_id"),
    [(7, 7), ("7", 7), ("007", 7), ("12abc", 12), (" 7", 7), ("abc", 0), ("", 0), ("-7", 0), (-7, 0), (2**63 - 1, 2**63 - 1), (2**63, 0),
     ("9223372036854775808", 0), ("9" * 30, 0), (7.9, 7), (1e300, 0), (None, None)],
)  # fmt: skip
def test_ids_are_read_leniently(value: Any, record_id: int | None) -> None:
    """shell-endpoints 1.3: an id that names nothing is "not found", never an error."""
    assert Parameters({"id": value}).record_id("id") == record_id


@pytest.mark.parametrize("value", [True, [7], {"a": 7}])
def test_an_id_that_is_no_scalar_is_a_bad_request(value: Any) -> None:
    with pytest.raises(BadRequestError):
        Parameters({"id": value}).record_id("id")


def test_texts() -> None:
    parameters = Parameters({"text": "a", "number": 7, "null": None, "list": ["a"], "flag": True, "blank": " "})
    assert [parameters.text(name) for name in ("text", "number", "null", "absent")] == ["a", "7", None, None]
    assert ("text" in parameters, "null" in parameters, parameters.texts("list"), parameters.texts("absent")) == (True, False, ["a"], [])
    for name in ("list", "flag"):
        with pytest.raises(BadRequestError):
            parameters.text(name)
    with pytest.raises(BadRequestError):
        parameters.texts("text")
    for name in ("blank", "absent"):
        with pytest.raises(BadRequestError, match=f"{name} is missing"):
            parameters.required_text(name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(
    st.binary() | JSON.map(lambda value: json.dumps(value).encode()),
    st.sampled_from([FORM, "application/json", "", "text/plain"]),
    st.text(),
)
def test_nothing_but_a_domain_error_is_raised(body: bytes, content_type: str, query: str) -> None:
    try:
        values = read(body, content_type, query.encode(errors="replace").decode("latin-1"))
    except DomainError:
        return
    assert isinstance(values, dict)
    json.dumps(values, allow_nan=False).encode()
