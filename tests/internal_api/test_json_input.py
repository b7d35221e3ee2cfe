"""The one decoder of JSON from outside: what it refuses, and that nothing else decodes (contract: decisions 4a, 5)."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from internal_api.json_input import MAX_DEPTH, MAX_EMBEDDED_LENGTH, InvalidJSONError, decode_body, decode_embedded, decode_quoted
from internal_api.yaml_input import InvalidYAMLError, decode_mapping

ROOT = Path(__file__).resolve().parents[2]
APPS = ("internal_api", "accounts", "repositories", "kubernetes_agent", "scim", "storage_limits", "settings")
DECODERS = {"loads", "JSONDecoder", "raw_decode", "json", "safe_load", "full_load", "unsafe_load", "load_all", "literal_eval"}
ALLOWED = {
    ("internal_api/json_input.py", "json.JSONDecoder"): "the decoder itself",
    ("internal_api/task_worker.py", "json.loads"): "arguments of a task that the service itself has enqueued",
    ("internal_api/seeding/documents.py", "json.loads"): "a seed file; what is not quite JSON is read as YAML",
    ("internal_api/seeding/documents.py", "yaml.load"): "a seed file, with a loader that refuses duplicate keys",
    ("internal_api/seeding/spooled.py", "pickle.load"): "what the process has just written itself, into a file without a name",
    ("repositories/policy/addresses.py", "json.loads"): "a column that a validator has filled, as SQLite returns it",
    ("repositories/selectors/protection.py", "json.loads"): "rows that the query itself has made",
    ("repositories/admin/webhooks.py", "json.loads"): "a body that the service itself has encoded",
}
REFUSED = {
    "an integer beyond 64 bits": ('{"a": 9223372036854775808}', "holds a number that is too large"),
    "a negative one": ('{"a": -9223372036854775809}', "holds a number that is too large"),
    "an integer of many digits": ('{"a": ' + "1" * 5000 + "}", "holds a number that is too large"),
    "a number that is infinite": ('{"a": 1e999}', "holds a number that is too large"),
    "not a number": ('{"a": NaN}', "holds NaN, which is not JSON"),
    "infinity": ("[-Infinity]", "holds -Infinity, which is not JSON"),
    "NUL in a value": ('{"a": "\\u0000"}', "holds a NUL character"),
    "NUL in a key": ('[{"\\u0000": 1}]', "holds a NUL character"),
    "half a surrogate pair": ('["\\ud800"]', "holds half of a surrogate pair"),
    "a raw surrogate": ('["\ud800"]', "holds half of a surrogate pair"),
    "a key twice": ('{"a": {"b": 1, "b": 1}}', "gives a key twice"),
    "too deep": ("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2), "is nested too deeply"),
    "very deep": ("[" * 200_000, "is nested too deeply"),
    "a word": ("no", "is not valid JSON"),
    "nothing": ("", "is not valid JSON"),
    "two values": ("{} {}", "is not valid JSON"),
    "a byte order mark": ("\ufeff{}", "is not valid JSON"),
    "too long": ('"' + "a" * MAX_EMBEDDED_LENGTH + '"', "is too long"),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_stored_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidJSONError, match=reason):
        decode_embedded(text)
    if "\ud800" not in text:
        with pytest.raises(InvalidJSONError, match=reason):
            decode_embedded(text.encode())


def test_bytes_are_utf_8_and_nothing_else() -> None:
    for encoding in ("utf-16", "utf-32", "latin-1"):
        with pytest.raises(InvalidJSONError):
            decode_embedded('{"é": 1}'.encode(encoding))
    assert decode_embedded('{"é": 1}'.encode()) == {"é": 1}


def test_what_clients_send_is_decoded() -> None:
    value: dict[str, Any] = {"a": [1, -(2**63), 2**63 - 1, 1.5, True, None, "\U0001f600", {}], "b": {"c": "d"}}
    assert decode_embedded(json.dumps(value)) == decode_body(json.dumps(value).encode()) == value


def test_a_body_may_have_integers_of_any_size_that_its_endpoint_judges() -> None:
    assert decode_body(b'{"user_id": 99999999999999999999}') == {"user_id": 99999999999999999999}
    with pytest.raises(InvalidJSONError):
        decode_body(b'{"user_id": ' + b"9" * 5000 + b"}")


def test_a_quoted_value_may_hold_control_characters_but_nul() -> None:
    assert decode_quoted('"a\tb\\u00e9"') == "a\tb\u00e9"
    for token in ('"\x00"', '"\\u0000"', '"\\ud800"', '"\\x"', '"open'):
        with pytest.raises(InvalidJSONError):
            decode_quoted(token)


@pytest.mark.parametrize(
    "text",
    [
        "- a",
        "a: [",
        'a: "\\0"',
        'a: "\\ud800"',
        "? [b]\n: c",
        "a: " + "[" * 5000,
        "a: &x [*x]",
        "a: !!python/object:os.system x",
        "a: 9999-99-99",
        "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10))]),
        "a: " + "x" * 2**20,
    ],
    ids=range(11),
)
def test_yaml_that_cannot_be_answered_is_refused(text: str) -> None:
    with pytest.raises(InvalidYAMLError):
        decode_mapping(text)


def test_yaml_of_a_policy_is_read() -> None:
    assert decode_mapping("actions: [&a {scan: x}, *a]") == {"actions": [{"scan": "x"}, {"scan": "x"}]}


def decoders(tree: ast.Module) -> Iterator[str]:
    """Calls of another decoder, and its import by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            call = ast.unparse(node.func)
            if node.func.attr in DECODERS or call in {"json.load", "yaml.load", "pickle.load"}:
                yield call
        elif isinstance(node, ast.ImportFrom) and node.module in {"json", "yaml", "ast", "pickle", "marshal"}:
            yield f"from {node.module}"


def test_nothing_else_decodes_what_comes_from_outside() -> None:
    found = {
        (str(path.relative_to(ROOT)), call)
        for app in APPS
        for path in sorted((ROOT / app).rglob("*.py"))
        if "migrations" not in path.parts
        for call in decoders(ast.parse(path.read_text()))
    }
    assert found == set(ALLOWED)


@pytest.mark.parametrize("text", ["json.loads(x)", "response.json()", "yaml.safe_load(x)", "from json import loads", "json.JSONDecoder()"])
def test_the_search_finds_what_it_looks_for(text: str) -> None:
    assert list(decoders(ast.parse(text)))
