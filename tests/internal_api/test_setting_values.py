"""What administrators may set, and what is made of a stored setting that cannot be read: never more than was meant."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.ssh.weakness import site_problem
from internal_api.branch_names import can_match_a_name, is_valid_name
from internal_api.email_domains import domain_problem
from internal_api.feature_flags import is_enabled
from internal_api.model_fields import LinesFormField, YAMLFormField
from internal_api.models import InstanceSettings
from internal_api.setting_values import ROLE_NAMES, readable_broadcasts, readable_feature_flags, readable_key_bits, readable_key_types
from internal_api.stored_values import InvalidPartError, column
from repositories.models import AccessLevel

TIME = "2030-01-31T12:00:00+00:00"

BAD: list[tuple[str, Any, str]] = [
    ("allowed_key_types", ["rsa"], "'rsa' is not a type of SSH key; did you mean 'ssh-rsa'?"),
    ("allowed_key_types", ["ssh-ed25519", 5], "5 is not a text"),
    ("allowed_key_types", "ssh-rsa", "is not a list"),
    ("allowed_key_types", {"ssh-rsa": True}, "is not a list"),
    ("minimum_key_bits", [1], "is not a mapping of key types to bits"),
    ("minimum_key_bits", "abc", "is not a mapping of key types to bits"),
    ("minimum_key_bits", {"ssh-rsa": "abc"}, "ssh-rsa: is not a number from 0 to 65536"),
    ("minimum_key_bits", {"ssh-rsa": True}, "ssh-rsa: is not a number from 0 to 65536"),
    ("minimum_key_bits", {"ssh-rsa": -1}, "ssh-rsa: is not a number from 0 to 65536"),
    ("minimum_key_bits", {"ssh-rsa": 2.5}, "ssh-rsa: is not a number from 0 to 65536"),
    ("minimum_key_bits", {"ssh-ed25519": 10**30}, "ssh-ed25519: is not a number from 0 to 65536"),
    ("minimum_key_bits", {"rsa": 4096}, "rsa: is not a known type of SSH key"),
    ("feature_flags", [1, 2], "is not a mapping"),
    ("feature_flags", {"gitaly_x": 1}, "gitaly_x: is not true, false or a mapping"),
    ("feature_flags", {"gitaly_x": {"projects": 5}}, "gitaly_x.projects: is not a list"),
    ("feature_flags", {"gitaly_x": {"projects": [5]}}, "gitaly_x.projects[0]: is not a text"),
    ("feature_flags", {"gitaly_x": {"project": []}}, "gitaly_x.project: is not a known key; did you mean 'projects'?"),
    ("feature_flags", {"gitaly x": True}, "is not a name of printable ASCII characters"),
    ("feature_flags", {"": True}, "is not a name of printable ASCII characters"),
    ("broadcasts", {"message": "x"}, "is not a list"),
    ("broadcasts", [5], "[0]: is not a mapping"),
    ("broadcasts", [{}], "[0].message: is missing"),
    ("broadcasts", [{"message": 5}], "[0].message: is not a text"),
    ("broadcasts", [{"message": "a\x00b"}], "[0].message: has a NUL character"),
    ("broadcasts", [{"message": "x"}, {"mesage": "Hello"}], "[1].message: is missing"),
    ("broadcasts", [{"message": "x", "mesage": "Hello"}], "[0].mesage: is not a known key; did you mean 'message'?"),
    ("broadcasts", [{"message": "x", "starts_at": "tomorrow"}], "[0].starts_at: is not a time"),
    ("broadcasts", [{"message": "x", "ends_at": "2030-01-31T12:00:00"}], "[0].ends_at: is not a time"),
    ("broadcasts", [{"message": "x", "roles": "developer"}], "[0].roles: is not a list of roles"),
    ("broadcasts", [{"message": "x", "roles": ["king"]}], "[0].roles: is not a list of roles"),
    ("broadcasts", [{"message": "x", "show_in_cli": "yes"}], "[0].show_in_cli: is not true or false"),
    ("broadcasts", [{"message": "x", "target_path": 5}], "[0].target_path: is not a text"),
]


@pytest.mark.parametrize(("name", "value", "problem"), BAD)
def test_an_invalid_setting_is_refused_with_its_place(name: str, value: Any, problem: str) -> None:
    with pytest.raises(InvalidPartError) as caught:
        column(InstanceSettings, name).clean(value, None)
    assert problem in caught.value.messages[0]


GOOD: list[tuple[str, Any]] = [
    ("allowed_key_types", []),
    ("allowed_key_types", ["ssh-rsa", "sk-ssh-ed25519@openssh.com"]),
    ("minimum_key_bits", {}),
    ("minimum_key_bits", {"ssh-rsa": 0, "ssh-dss": 65536}),
    ("feature_flags", {"gitaly_x": True, "kas_y": {"projects": ["acme/rockets"], "groups": ["acme"], "users": ["ann"]}}),
    ("broadcasts", [{"message": "Down at noon"}]),
    (
        "broadcasts",
        [{"message": "x", "target_path": "acme/*", "roles": ["Developer"], "show_in_cli": False, "starts_at": None, "ends_at": TIME}],
    ),
]


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_a_valid_setting_is_accepted(db: None, name: str, value: Any) -> None:
    row = InstanceSettings(**{name: value})
    row.full_clean()
    row.save()
    assert getattr(InstanceSettings.current(), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allowed_key_types", "ssh-rsa"),
        ("allowed_key_types", {}),
        ("minimum_key_bits", [1]),
        ("minimum_key_bits", "abc"),
        ("feature_flags", [1]),
        ("feature_flags", 5),
        ("broadcasts", {"message": "x"}),
        ("broadcasts", "x"),
        ("default_branch_push", "banana"),
        ("default_branch_merge", "banana"),
        ("default_branch_name", ""),
        ("email_confirmation", "x"),
        ("enabled_git_access_protocol", "smb"),
        ("receive_max_input_size", -1),
        ("gitlab_shell_operation_limit", -1),
    ],
)
def test_the_database_refuses_a_setting_of_the_wrong_kind(db: None, name: str, value: Any) -> None:
    InstanceSettings().save()
    with pytest.raises(IntegrityError), transaction.atomic():
        InstanceSettings.objects.update(**{name: value})


@pytest.mark.parametrize(
    ("value", "admitted"), [(["rsa", "ssh-ed25519"], {"ssh-ed25519"}), (["rsa"], set()), ("ssh-rsa", set()), ([5], set())]
)
def test_of_unreadable_key_types_only_the_known_ones_are_admitted(value: Any, admitted: set[str]) -> None:
    readable = readable_key_types(value)
    judged = {name: site_problem(name, 4096, readable, {}) for name in ("ssh-rsa", "ssh-ed25519")}
    assert {name for name, problem in judged.items() if problem is None} == admitted
    for problem in judged.values():
        assert problem is None or not problem.endswith("Must be "), "a text without an end"


@pytest.mark.parametrize(
    ("value", "refused"),
    [
        ({"ssh-rsa": "abc"}, {("ssh-rsa", 2048), ("ssh-rsa", 16384), ("ssh-dss", 1024)}),
        ({"ssh-ed25519": "many"}, {("ssh-ed25519", 256), ("ssh-rsa", 2048), ("ssh-dss", 1024)}),
        ({"rsa": 4096}, {("ssh-rsa", 2048), ("ssh-dss", 1024)}),
        ({"ssh-rsa": 3072, "x": 1}, {("ssh-rsa", 2048), ("ssh-dss", 1024)}),
        ([1], {("ssh-rsa", 2048), ("ssh-dss", 1024)}),
    ],
)
def test_of_unreadable_key_lengths_the_readable_ones_hold_and_the_rest_is_strict(value: Any, refused: set[tuple[str, int]]) -> None:
    keys = {("ssh-rsa", 2048), ("ssh-rsa", 16384), ("ssh-dss", 1024), ("ssh-ed25519", 256), ("ecdsa-sha2-nistp256", 256)}
    readable = readable_key_bits(value)
    assert {(name, bits) for name, bits in keys if site_problem(name, bits, (), readable)} == refused


def test_an_unreadable_feature_flag_is_off_and_the_others_stay() -> None:
    flags = readable_feature_flags({"a": 1, "b": {"projects": 5}, "c": True, "d": {"users": ["ann"]}})
    assert flags == {"a": False, "b": False, "c": True, "d": {"users": ["ann"]}}
    assert not is_enabled(flags, "a")


def test_an_unreadable_banner_is_not_shown_and_the_others_are() -> None:
    assert readable_broadcasts([5, {"mesage": "x"}, {"message": "Hello"}]) == [{"message": "Hello"}]
    assert readable_broadcasts({"message": "x"}) == []


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("web_url", "javascript:alert(1)", ""),
        ("default_branch_name", "a..b", "main"),
        ("minimum_key_bits", {"ssh-rsa": "abc"}, {"ssh-rsa": None, "ssh-dss": None}),
        ("broadcasts", [5], []),
    ],
)
def test_a_stored_setting_that_cannot_be_read_is_reported_by_its_row(
    db: None, caplog: pytest.LogCaptureFixture, name: str, value: Any, read: Any
) -> None:
    InstanceSettings().save()
    InstanceSettings.objects.update(**{name: value})
    assert getattr(InstanceSettings.current(), name) == read
    assert caplog.messages == [f"Stored value cannot be read: internal_api_instancesettings.{name} of row 1"]
    assert getattr(InstanceSettings.stored(), name) == value, "what an administrator is shown"


def test_banners_name_the_roles_there_are() -> None:
    assert [level.name.lower() for level in AccessLevel] == list(ROLE_NAMES)


def test_a_list_is_shown_and_typed_one_item_a_line() -> None:
    field = LinesFormField(required=False)
    assert field.prepare_value(["a", "b"]) == "a\nb"
    assert field.clean(" a \r\n\n b ") == ["a", "b"]
    assert field.clean("") == []
    assert field.has_changed(["a"], "b")
    assert not field.has_changed(["a"], "a\n")
    assert field.prepare_value({"a": 1}) == '{"a": 1}', "a row from elsewhere is shown as it is"


def test_a_structure_is_shown_and_typed_as_in_a_seed_file() -> None:
    field = YAMLFormField(empty=dict, required=False)
    assert field.prepare_value({"ssh-rsa": 2048}) == "ssh-rsa: 2048\n"
    assert field.clean("{ends_at: 2030-01-31T12:00:00Z, starts_at: 2030-01-31}") == {
        "ends_at": TIME,
        "starts_at": "2030-01-31T00:00:00+00:00",
    }
    assert field.clean(" ") == {}
    assert not field.has_changed({"a": 1}, "a: 1")
    assert field.has_changed({"a": 1}, "a: [")
    for wrong in ("a: [", "a: b: c", "[" * 5000):
        with pytest.raises(ValidationError, match=r"cannot be read as YAML|nested too deeply"):
            field.clean(wrong)


@pytest.mark.parametrize(
    "pattern",
    ["", " ", "main ", "two words", "a\tb", "a..b", "v[0-9]*", "v?", "a^", "a~1", "a:b", "a\\b", "/a", "a/", "a//b", "a@{1}", "a\x7f"],
)
def test_a_pattern_that_can_match_no_name_is_told(pattern: str) -> None:
    assert not can_match_a_name(pattern)


@pytest.mark.parametrize("pattern", ["main", "*", "*-stable", "release/*", "v*", "リリース", "16\u00a0-stable", ".*", "*.lock"])
def test_a_pattern_that_can_match_a_name_is_accepted(pattern: str) -> None:
    assert can_match_a_name(pattern)


@pytest.mark.parametrize("name", ["main", "feature/a", "v1.0"])
def test_every_name_that_git_accepts_can_be_matched(name: str) -> None:
    assert is_valid_name(name)
    assert can_match_a_name(name)


@pytest.mark.parametrize(
    ("text", "is_domain"),
    [
        ("example.com", True),
        ("localhost", True),
        ("bücher.example", True),
        ("@example.com", False),
        ("a b", False),
        ("", False),
        ("a..b", False),
        ("-a.com", False),
        ("a" * 254, False),
        ("https://x", False),
    ],
)
def test_domains_of_email_addresses(text: str, is_domain: bool) -> None:
    assert (domain_problem(text) is None) is is_domain
