"""The pure parsers against mutations of what they are made for: a value or the one error they promise, whatever comes.

EXAMPLES=100000 for a long run; what it finds becomes a row in FOUND.
"""

import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from accounts.services.token_requests import parse_day
from accounts.ssh.fingerprint import fingerprint_of_parameter, fingerprint_of_search
from accounts.ssh.public_key import InvalidPublicKeyError, parse_public_key
from internal_api.errors import DomainError
from internal_api.json_input import InvalidJSONError, decode_embedded, decode_quoted
from internal_api.outgoing import OutgoingError, parse_target
from internal_api.parameters import _form_values, json_object
from internal_api.seeding.documents import parse as parse_seed
from internal_api.seeding.entries import SeedError
from internal_api.yaml_input import InvalidYAMLError, decode_mapping
from repositories.policy import MalformedChangesError, parse_changes
from repositories.policy.repository_path import candidates, clean_path, parse_gl_repository, split_path
from repositories.push_options import parse_push_options
from scim.filters import MalformedFilterError, display_name_filter, parse_filter
from scim.masking import inspected
from scim.new_user import read_new_user
from scim.patch import InvalidActiveError, member_operations, patch_changes, resource_changes
from scim.projection import Projection
from scim.usernames import clean_username
from tests.good_requests import POLICY
from tests.public_keys import ED25519, RSA_2048

MUTATIONS = int(os.environ.get("EXAMPLES", "400"))
ZEROS = "0" * 40
INTERESTING = [
    "", " ", "\n", "\r\n", "\t", "\0", "\\", '"', "'", "`", "[", "]", "{", "}", "(", ")", "..", "/", "//", "%2e%2f", "%00", "\u0000", "\ud800", "\U0001f600", "é", "İ", "ﬀ",
    "-1", "0", "1e999", "9" * 400, "NaN", "null", "true", "a" * 5000, "eq", " and ", " or ", "not(", "&x", "*x", "!!python/object:os.system", "<<: *a", "\u202e", "\ufeff",
]  # fmt: skip


def as_json(function: Callable[[Any], Any]) -> Callable[[str], Any]:
    """Call it with the object that a text of JSON holds, if it holds one."""

    def call(text: str) -> Any:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return function(value) if isinstance(value, dict) else None

    return call


def members(body: dict[str, Any]) -> list[Any]:
    operations = body.get("Operations")
    return list(member_operations([one for one in operations if isinstance(one, dict)])) if isinstance(operations, list) else []


PATCH = json.dumps(
    {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "Replace", "path": "active", "value": "False"}, {"op": "add", "path": "members", "value": [{"value": "x"}]}],
    }
)
USER = json.dumps(
    {
        "userName": "ann",
        "externalId": "1",
        "emails": [{"value": "a@b", "primary": True}],
        "name": {"formatted": "Ann A", "givenName": "Ann"},
    }
)
SEED = "users:\n  - {id: 1, username: ann, keys: [{key: 'ssh-ed25519 AAAA'}]}\ngroups:\n  - path: acme\n    members: {ann: owner}\n"


@dataclass(frozen=True)
class Parser:
    """What is called, examples it is made for, and the errors it may raise."""

    call: Callable[[str], Any]
    samples: tuple[str, ...]
    errors: tuple[type[Exception], ...] = ()


PARSERS = {
    "changes": Parser(
        parse_changes, (f"{ZEROS} {'a' * 40} refs/heads/main\n{'b' * 64} {'c' * 64} refs/tags/v1", "_any"), (MalformedChangesError,)
    ),
    "push options": Parser(
        lambda text: parse_push_options(text.split("\n")), ("ci.skip\nmr.create\nmr.label=a\nci.variable=A=1\nmerge_request.target=x",)
    ),
    "SCIM filter": Parser(
        parse_filter, ('userName eq "ann" and externalId eq "1"', 'emails[type eq "work"].value eq "a@b"'), (MalformedFilterError,)
    ),
    "SCIM group filter": Parser(display_name_filter, ('displayName eq "Engineers"', "displayName eq 'x'")),
    "SCIM PATCH": Parser(as_json(patch_changes), (PATCH,), (InvalidActiveError,)),
    "SCIM resource": Parser(as_json(resource_changes), (USER,), (InvalidActiveError,)),
    "SCIM members": Parser(as_json(members), (PATCH,)),
    "SCIM new user": Parser(as_json(read_new_user), (USER,), (InvalidActiveError,)),
    "SCIM masking": Parser(as_json(inspected), (USER,)),
    "SCIM projection": Parser(
        lambda text: Projection.of(text, text).apply(json.loads(USER)),
        ("userName,emails.value", "urn:ietf:params:scim:schemas:core:2.0:User:userName"),
    ),
    "username": Parser(clean_username, ("Ann.O'Neil@example.com",)),
    "public key": Parser(parse_public_key, (ED25519, RSA_2048, "ssh-rsa AAAA"), (InvalidPublicKeyError,)),
    "fingerprint of a parameter": Parser(fingerprint_of_parameter, (ED25519.split()[1], "SHA256:abc")),
    "fingerprint of a search": Parser(fingerprint_of_search, (ED25519, "SHA256:" + "a" * 43, "MD5:aa:bb")),
    "path": Parser(lambda text: (candidates(clean_path(text)), split_path(text)), ("/acme/rockets.wiki.git", "acme/tools/rockets.git")),
    "gl_repository": Parser(parse_gl_repository, ("project-1", "wiki-22", "design-3", "snippet-4")),
    "seed file": Parser(parse_seed, (SEED,), (SeedError,)),
    "JSON body": Parser(lambda text: json_object(text.encode("utf-8", "surrogatepass")), (PATCH, USER), (DomainError,)),
    "form body": Parser(_form_values, ("a=1&b[]=2&b[]=3&c[d][e]=4&push_options[]=x",), (DomainError,)),
    "JSON in a string": Parser(decode_embedded, (PATCH, USER, "[1, -2.5e3, null]"), (InvalidJSONError,)),
    "quoted text": Parser(decode_quoted, ('"a\\u00e9\\n"',), (InvalidJSONError,)),
    "YAML of a policy": Parser(decode_mapping, (POLICY,), (InvalidYAMLError,)),
    "day": Parser(parse_day, ("2030-01-31", "20300131", "31 Jan 2030", "2030-01-31T00:00:00Z")),
    "webhook's address": Parser(parse_target, ("https://ci.example.com:8443/hook?x=1", "http://[::1]:80/"), (OutgoingError,)),
}

FOUND: list[tuple[str, str]] = [
    ("seed file", "? [a]: b\n"),
    ("seed file", "{a: &x [*x]}"),
    ("JSON body", "[" * 100_000),
    ("form body", "a" + "[b]" * 10_000 + "=1"),
    ("changes", f"{ZEROS} {ZEROS} refs/heads/main"),
    ("webhook's address", "http://[::1"),
]
"""What once broke a parser, or might break a careless one."""


def mutated(text: str, chance: random.Random) -> str:
    """A text with a few pieces cut, doubled, moved, replaced or put in."""
    for _ in range(chance.randint(1, 4)):
        start = chance.randint(0, len(text))
        end = min(len(text), start + chance.choice((0, 1, 1, 2, 8, 40)))
        piece = chance.choice((text[start:end] * 2, "", chance.choice(INTERESTING), chr(chance.randint(0, 0x2FFF)), text[start:end][::-1]))
        text = text[:start] + piece + text[end:]
    return text


def check(name: str, text: str) -> None:
    parser = PARSERS[name]
    try:
        parser.call(text)
    except parser.errors:
        return
    except Exception as error:
        raise AssertionError(f"{name} raised {type(error).__name__} for {text[:300]!r}") from error


@pytest.mark.once
@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_answers_or_raises_what_it_promises(name: str) -> None:
    chance = random.Random(int(os.environ.get("SEED", "7")))  # noqa: S311  no secret
    for sample in PARSERS[name].samples:
        check(name, sample)
        for _ in range(MUTATIONS):
            check(name, mutated(sample, chance))


@pytest.mark.parametrize(("name", "text"), FOUND)
def test_what_was_found_stays_mended(name: str, text: str) -> None:
    check(name, text)


def test_the_samples_are_what_the_parsers_are_made_for() -> None:
    """Mutations of nonsense would show little."""
    assert len(parse_changes(PARSERS["changes"].samples[0])) == 2
    assert parse_filter(PARSERS["SCIM filter"].samples[0])
    assert parse_public_key(ED25519).fingerprint
    assert yaml.safe_load(SEED)["users"][0]["username"] == "ann"
