"""The pure parts: filters, operations, names, attributes, masked parameters (contract: scim 1.5 to 1.8, 1.12, 4.2, 4.3)."""

from typing import Any

import pytest

from scim.filters import MalformedFilterError, Term, display_name_filter, parse_filter
from scim.masking import inspected
from scim.new_user import read_new_user
from scim.patch import Changes, MemberOperation, member_operations, patch_changes, resource_changes
from scim.profiles import GitLabProfile, Page
from scim.projection import Projection
from scim.usernames import clean_username

UID, NAME = "extern_uid", "username"
URN = "urn:ietf:params:scim:schemas:core:2.0:User:"


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ('id eq "ext-1"', [(UID, "ext-1")]),
        ("id eq 0b1d561c-21ff-4092-beab-8154b17f82f2", [(UID, "0b1d561c-21ff-4092-beab-8154b17f82f2")]),
        ('externalId eq "a b"', [(UID, "a b")]),
        ("userName eq bar@example.com", [(NAME, "bar@example.com")]),
        ("USERNAME Eq 'foo'", [(NAME, "foo")]),
        (f'{URN}userName eq "foo"', [(NAME, "foo")]),
        ('userName eq "a\\"b\\\\c"', [(NAME, 'a"b\\c')]),
        ('  userName   eq   "x"  ', [(NAME, "x")]),
        ('userName eq "x" and externalId eq "y"', [(NAME, "x"), (UID, "y")]),
        ('userName eq "x" AND id eq y', [(NAME, "x"), (UID, "y")]),
        ('userName eq "and"', [(NAME, "and")]),
    ],
)
def test_filters_that_are_searched_by(text: str, terms: list[tuple[str, str]]) -> None:
    """Scim 6 #22, #23, #49; Okta's, Entra's and the document's ways of writing."""
    assert parse_filter(text) == tuple(Term(*term) for term in terms)


@pytest.mark.parametrize(
    "text",
    [
        'displayName eq "name"', 'blah eq "x"', 'id ne "x"', 'emails[type eq "work"].value eq "a@b.c"', "active eq true", "userName eq",
        'userName eq ""', "userName", "eq", '"', 'userName eq "x', 'userName eq "x" or id eq "y"', 'userName eq "x" and', "not (userName eq x)",
        'userName eq "x" id eq "y"', '(userName eq "x")', "userName pr", 'userName eq "\\q"', "x" * 5000, 'userName eq "a"b', "and and and",
        " and ".join(["id eq x"] * 21),
    ],
)  # fmt: skip
def test_filters_that_are_not(text: str) -> None:
    """Scim 6 #34, #35, #50; no part of a filter is ever dropped silently (D5)."""
    with pytest.raises(MalformedFilterError):
        parse_filter(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('displayName eq "A B"', "A B"),
        ("DISPLAYNAME EQ 'x'", "x"),
        ('x and displayName eq "y"', "y"),
        ('displayName eq "a\\"b"', 'a"b'),
        ('id eq "x"', None),
        ("displayName eq x", None),
        ('displayName eq "\\q"', None),
    ],
)
def test_groups_are_found_by_their_name(text: str, name: str | None) -> None:
    assert display_name_filter(text) == name


def op(value: Any, path: str | None = "active", kind: str = "replace") -> dict[str, Any]:
    return {"op": kind, "value": value} if path is None else {"op": kind, "path": path, "value": value}


@pytest.mark.parametrize(
    ("operations", "active", "uid"),
    [
        pytest.param([op("False", kind="Replace")], False, None, id="Entra"),
        pytest.param([op({"active": False}, None)], False, None, id="Okta"),
        pytest.param([op("false", kind="Update")], False, None, id="the document"),
        pytest.param([op("true")], True, None, id="#103"),
        pytest.param([op(None)], None, None, id="#118"),
        pytest.param([op([{"value": "True"}])], True, None, id="wrapped"),
        pytest.param([op({"value": False})], False, None, id="an object"),
        pytest.param([op('"false"')], False, None, id="quoted"),
        pytest.param([op({"displayName": "x", "active": False}, None)], False, None, id="#119"),
        pytest.param([op({"active": False, "displayName": "x"}, None)], False, None, id="#119 the other way"),
        pytest.param([op({"name.givenName": "x", "Active": "False"}, None)], False, None, id="dotted keys"),
        pytest.param([op('{"active": false}', None)], False, None, id="a text of JSON"),
        pytest.param([op("new", "externalId", "Replace")], None, "new", id="#106"),
        pytest.param([op("new", "id")], None, "new", id="#107"),
        pytest.param([op(7, URN + "externalId")], None, "7", id="URN and number"),
        pytest.param([op("new", "id"), op(False)], False, "new", id="both"),
        pytest.param([op(True), op(False)], False, None, id="the last wins"),
        pytest.param([op("x", "name.formatted", "Add"), op("x", "userName"), op("x", 'emails[type eq "work"].value')], None, None, id="#109, #110"),
        pytest.param([op(False, kind="remove"), op(False, kind="move"), {"path": "active"}, 7, op(False, "")], None, None, id="no operations"),
        pytest.param([], None, None, id="#113"),
    ],
)  # fmt: skip
def test_what_operations_change(operations: list[Any], active: bool | None, uid: str | None) -> None:
    assert patch_changes({"schemas": ["x"], "Operations": operations}) == Changes(active, uid)


@pytest.mark.parametrize(
    "body", [{"Garbage": "params"}, {"Operations": None}, {"Operations": "x"}, {"Operations": {}}, {"operations": [7]}, {}]
)
def test_garbage_changes_nothing(body: dict[str, Any]) -> None:
    """Scim 6 #112."""
    assert patch_changes(body) == Changes()


def test_operations_may_be_a_text_of_json() -> None:
    """Decisions 22."""
    assert patch_changes({"Operations": '[{"op":"replace","path":"active","value":"false"}]'}) == Changes(active=False)


def test_ten_thousand_operations_are_one_change() -> None:
    operations = [op(str(number % 2 == 0)) for number in range(9999)] + [op("uid", "externalId"), op("False")]
    assert patch_changes({"Operations": operations}) == Changes(False, "uid")


def test_a_whole_resource_says_what_is_active_and_the_external_id() -> None:
    """D27: the id is the server's."""
    assert resource_changes({"id": "ignored", "externalId": "x", "active": True, "userName": "y"}) == Changes(True, "x")


@pytest.mark.parametrize(
    ("operation", "found"),
    [
        ({"op": "Add", "path": "members", "value": [{"value": "a"}, {"value": "b"}]}, ("add", ("a", "b"))),
        ({"op": "remove", "path": "MEMBERS", "value": [{"$ref": None, "value": "a"}]}, ("remove", ("a",))),
        ({"op": "remove", "path": 'members[value eq "a"]'}, ("remove", ("a",))),
        ({"op": "remove", "path": "members"}, ("remove", None)),
        ({"op": "add", "value": {"members": [{"value": "a"}]}}, ("add", ("a",))),
        ({"op": "add", "path": "members", "value": {"value": "a"}}, ("add", ("a",))),
        ({"op": "add", "path": "members", "value": '[{"value":"a"}]'}, ("add", ("a",))),
        ({"op": "add", "path": "members", "value": [None, {}, 7]}, ("add", ("7",))),
        ({"op": "add", "path": "externalId", "value": "x"}, None),
        ({"op": "add"}, None),
    ],
)
def test_what_an_operation_says_of_members(operation: dict[str, Any], found: tuple[str, Any] | None) -> None:
    """Scim 1.10, D35; Entra's and Okta's ways."""
    assert list(member_operations([operation])) == ([] if found is None else [MemberOperation(*found)])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (" --ricky.^#!__the._raccoon--", "ricky.the.raccoon"), ("jane.doe@example.com", "jane.doe"), ("", "blank"), ("@x", "blank"), ("___", "blank"),
        ("a.git", "a"), ("a.atom.git..", "a"), ("-a", "a"), ("a__b", "a_b"), ("a-.b", "a-b"), ("é", "blank"), ("x" * 500, "x" * 200), (".git", "blank"),
    ],
)  # fmt: skip
def test_a_username_from_anything(text: str, name: str) -> None:
    """Scim 6 #80, #82."""
    assert clean_username(text) == name


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param({"name": {"givenName": "Fred", "familyName": "Nurk"}}, (None, None, None, "Fred Nurk"), id="#83"),
        pytest.param({"name": {"formatted": " ", "givenName": "Fred"}, "displayName": "x"}, (None, None, None, "Fred"), id="one part"),
        pytest.param({"displayName": "Fred Nurk"}, (None, None, None, "Fred Nurk"), id="display name"),
        pytest.param({"name.formatted": "Flat"}, (None, None, None, "Flat"), id="flat"),
        pytest.param({"name": '{"formatted": "Text"}'}, (None, None, None, "Text"), id="a text of JSON"),
        pytest.param(
            {"emails": [{"type": "home", "value": "h@x.com"}, {"type": "work", "value": "w@x.com"}]}, (None, None, "w@x.com", ""), id="#85"
        ),
        pytest.param({"emails": [{"type": "home", "value": "h@x.com", "primary": "True"}]}, (None, None, "h@x.com", ""), id="primary"),
        pytest.param({"emails": {"primary": True, "value": "o@x.com"}}, (None, None, "o@x.com", ""), id="OneLogin"),
        pytest.param({"emails": '[{"type": "work", "value": "t@x.com"}]'}, (None, None, "t@x.com", ""), id="decisions 22"),
        pytest.param({"emails": [{"type": "home", "value": "h@x.com"}]}, (None, None, None, ""), id="no work address"),
        pytest.param({"emails": 7}, (None, None, None, ""), id="nonsense"),
        pytest.param({"ID": "a", "USERNAME": "b"}, ("a", "b", None, ""), id="letter case"),
        pytest.param({"id": "a", "externalId": '"b"'}, ("b", None, None, ""), id="external id first, unquoted"),
        pytest.param({"externalId": "", "userName": 7}, ("", "7", None, ""), id="blank is there"),
    ],
)
def test_a_new_user_from_what_providers_send(body: dict[str, Any], expected: tuple[Any, ...]) -> None:
    new = read_new_user(body)
    assert (new.extern_uid, new.username, new.email, new.name) == expected


def test_secrets_are_not_shown() -> None:
    """Scim 6 #79."""
    shown = inspected(
        {"a": None, "password": "x", "list": [True, 1, {"access_token": "y"}], "text": 'q"\\', "apiKey": "z", "clientSecret": "s"}
    )
    assert (
        shown
        == '{"a"=>nil, "password"=>"[FILTERED]", "list"=>[true, 1, {"access_token"=>"[FILTERED]"}], "text"=>"q\\"\\\\", "apiKey"=>"[FILTERED]", "clientSecret"=>"[FILTERED]"}'
    )
    assert len(inspected({"a": "x" * 10_000})) < 4100


USER = {
    "schemas": ["s"],
    "id": "1",
    "userName": "foo",
    "name": {"formatted": "F B", "givenName": "F"},
    "emails": [{"value": "v", "type": "work"}],
}


@pytest.mark.parametrize(
    ("wanted", "excluded", "shown"),
    [
        (None, None, USER),
        ("userName", None, {"schemas": ["s"], "id": "1", "userName": "foo"}),
        ("USERNAME, name.givenName", None, {"schemas": ["s"], "id": "1", "userName": "foo", "name": {"givenName": "F"}}),
        (URN + "userName", None, {"schemas": ["s"], "id": "1", "userName": "foo"}),
        (None, "emails,name.formatted,id", {"schemas": ["s"], "id": "1", "userName": "foo", "name": {"givenName": "F"}}),
        ("emails.value", None, {"schemas": ["s"], "id": "1", "emails": [{"value": "v"}]}),
        ("nothing", None, {"schemas": ["s"], "id": "1"}),
    ],
)
def test_which_attributes_are_shown(wanted: str | None, excluded: str | None, shown: dict[str, Any]) -> None:
    """Scim 6 #61, D30."""
    assert Projection.of(wanted, excluded).apply(USER) == shown


@pytest.mark.parametrize(
    ("start", "count", "page"),
    [
        (None, None, (1, 20)),
        ("0", "0", (1, 20)),
        ("-5", "-1", (1, 20)),
        ("6", "5", (6, 5)),
        ("x", "x", (1, 20)),
        (3, 7, (3, 7)),
        ("1", "1000", (1, 100)),
        ("9" * 30, "1", (1, 1)),
        (True, 1.5, (1, 20)),
    ],
)
def test_which_page_is_meant(start: Any, count: Any, page: tuple[int, int]) -> None:
    """Scim 6 #43, #44, #46."""
    assert GitLabProfile().page(start, count) == Page(*page)
