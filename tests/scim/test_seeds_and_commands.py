"""Single sign-on, tokens and identities in seed files, and the command that makes tokens."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from accounts.models import User
from internal_api.digests import token_digest
from scim.models import Identity, SamlGroupLink, SamlProvider, SCIMToken, Scope
from scim.selectors.scopes import find_token
from tests.factories import GroupFactory

COMPANY: dict[str, Any] = {
    "users": [{"username": "ann"}, {"username": "bob", "state": "blocked", "blocked_by": "scim"}],
    "groups": [
        {
            "path": "acme",
            "saml": {"enabled": True, "default_membership_role": "developer", "allowed_email_domains": ["example.com"]},
            "saml_group_links": [{"name": "Engineers", "access_level": "developer"}],
            "scim_token": "glsoat-x",
            "scim_identities": [{"user": "ann", "extern_uid": "0b1d561c"}, {"user": "bob", "extern_uid": "b", "active": False}],
        }
    ],
    "instance_scim": {"token": {"token": "glsoat-y"}, "identities": [{"user": "ann", "extern_uid": "a"}]},
}


def seed(tmp_path: Path, document: Any, *options: str) -> str:
    path = tmp_path / "seed.yaml"
    path.write_text(yaml.safe_dump(document))
    out = StringIO()
    call_command("seed", str(path), *options, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_what_the_file_says_becomes_so_and_twice_the_same(tmp_path: Path, db: None) -> None:
    seed(tmp_path, COMPANY)
    provider = SamlProvider.objects.get()
    assert (provider.group.path, provider.enabled, provider.default_role, provider.allowed_email_domains) == (
        "acme",
        True,
        30,
        ["example.com"],
    )
    assert (SamlGroupLink.objects.get().name, SamlGroupLink.objects.get().access_level) == ("Engineers", 30)
    assert set(SCIMToken.objects.values_list("token_digest", flat=True)) == {token_digest("glsoat-x"), token_digest("glsoat-y")}
    found = set(Identity.objects.values_list("scope__group__path", "user__username", "extern_uid", "active"))
    assert found == {("acme", "ann", "0b1d561c", True), ("acme", "bob", "b", False), (None, "ann", "a", True)}
    assert dict(Scope.objects.values_list("group__path", "identity_count")) == {"acme": 2, None: 1}
    assert seed(tmp_path, COMPANY).startswith("Nothing to change")


def test_later_files_change_it(tmp_path: Path, db: None) -> None:
    seed(tmp_path, COMPANY)
    document = {
        "groups": [
            {
                "path": "acme",
                "saml": {"enabled": False},
                "saml_group_links": [{"name": "Engineers", "access_level": "developer", "absent": True}],
                "scim_identities": [{"extern_uid": "B", "absent": True}, {"user": "ann", "extern_uid": "0B1D561C", "active": False}],
            }
        ],
    }
    seed(tmp_path, document)
    assert not SamlProvider.objects.get().enabled
    assert not SamlGroupLink.objects.exists()
    assert list(Identity.objects.filter(scope__group__path="acme").values_list("user__username", "active")) == [("ann", False)]
    assert Scope.objects.get(group__path="acme").identity_count == 1
    assert seed(tmp_path, document).startswith("Nothing to change")
    seed(tmp_path, {"groups": [{"path": "acme", "saml": {"absent": True}}]})
    assert not SamlProvider.objects.exists()


def test_a_file_says_who_blocked(tmp_path: Path, db: None) -> None:
    """Nobody named is the administrator; SCIM's block becomes theirs if a file blocks the user again."""
    for values, expected in (
        ({"state": "blocked"}, ("blocked", "administrator")),
        ({"blocked_by": "scim"}, ("blocked", "scim")),
        ({"name": "Ann"}, ("blocked", "scim")),
        ({"state": "blocked"}, ("blocked", "administrator")),
        ({"state": "blocked", "blocked_by": "ldap"}, ("blocked", "ldap")),
        ({"state": "ldap_blocked"}, ("ldap_blocked", "ldap")),
        ({"state": "active"}, ("active", "")),
    ):
        document = {"users": [{"username": "ann", **values}]}
        seed(tmp_path, document)
        assert User.objects.values_list("state", "blocked_by").get() == expected
        assert seed(tmp_path, document).startswith("Nothing to change")
    for values, error in (
        ({"blocked_by": "scim"}, "users[0].blocked_by: needs a state that blocks: banned, blocked, ldap_blocked"),
        ({"state": "deactivated", "blocked_by": "scim"}, "users[0].blocked_by: needs a state that blocks"),
        ({"state": "blocked", "blocked_by": "root"}, "users[0].blocked_by: 'root' is none of: 'administrator', 'scim', 'ldap'"),
    ):
        with pytest.raises(CommandError) as caught:
            seed(tmp_path, {"users": [{"username": "ann", **values}]})
        assert error in str(caught.value)


def test_a_token_without_a_text_is_made_and_shown_once(tmp_path: Path, db: None) -> None:
    document = {"groups": [{"path": "acme", "scim_token": {}}], "instance_scim": {"token": {}}}
    shown = json.loads(seed(tmp_path, document, "--output", "json"))["secrets"]
    assert {secret["name"]: token_digest(secret["token"]) for secret in shown} == {
        token.scope.group.path if token.scope.group else "instance": token.token_digest for token in SCIMToken.objects.all()
    }
    assert json.loads(seed(tmp_path, document, "--output", "json"))["secrets"] == []


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"groups": [{"path": "acme/tools", "saml": {}}]}, "groups[0].saml: is for top-level groups"),
        ({"groups": [{"path": "acme/tools", "scim_token": "x"}]}, "groups[0].scim_token: is for top-level groups"),
        ({"groups": [{"path": "acme", "scim_token": 7}]}, "groups[0].scim_token: is not a token"),
        ({"groups": [{"path": "acme", "scim_token": "glsoat-y"}]}, "groups[0].scim_token: The token is in use already."),
        (
            {"groups": [{"path": "acme", "scim_identities": [{"user": "ann", "extern_uid": "z"}]}]},
            "scim_identities[0].user: has an identity already",
        ),
        ({"groups": [{"path": "acme", "scim_identities": [{"user": "carol", "extern_uid": "b"}]}]}, "There is no user 'carol'."),
        ({"instance_scim": {"identities": [{"user": "bob", "extern_uid": "A"}]}}, "identities[0].user: is not whose identity it is"),
        ({"instance_scim": {"tokens": []}}, "instance_scim.tokens: is not a known key"),
    ],
)
def test_a_mistake_is_told_by_its_place(tmp_path: Path, db: None, document: Any, error: str) -> None:
    seed(tmp_path, COMPANY)
    seed(tmp_path, {"groups": [{"path": "acme/tools"}]})
    with pytest.raises(CommandError) as caught:
        seed(tmp_path, document)
    assert error in str(caught.value)


def test_a_token_by_command(db: None) -> None:
    group = GroupFactory.create(path="acme")
    GroupFactory.create(path="tools", parent=group)

    def run(*arguments: str) -> Any:
        out = StringIO()
        call_command("create_scim_token", *arguments, "--json", stdout=out)
        return json.loads(out.getvalue())

    made = run("--group", "Acme")
    assert made["address"] == "http://localhost:3001/api/scim/v2/groups/acme"
    token = SCIMToken.objects.get()
    assert (token.token_digest, token.scope.group) == (token_digest(made["token"]), group)
    assert SamlProvider.objects.filter(group=group).exists()
    assert run("--group", "acme")["token"] != made["token"]
    current = run("--group", "acme")["token"]
    assert find_token(current) is not None
    latest = run("--group", "acme", "--now")["token"]
    assert find_token(current) is None
    assert find_token(latest) is not None
    assert SCIMToken.objects.values_list("previous_digest", "previous_expires_at").get() == ("", None)
    assert run()["address"].endswith("/api/scim/v2/application")
    for arguments, line in (
        (["--group", "none"], "There is no group 'none'."),
        (["--group", "acme/tools"], "SCIM is for top-level groups."),
    ):
        with pytest.raises(CommandError, match=line):
            run(*arguments)
