"""Values that seed files and commands refuse, by the same rules as the forms; and rows from before the rules, which are kept."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core import serializers
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Model

from accounts.models import PersonalAccessToken
from internal_api.models import InstanceSettings
from internal_api.seeding import SeedError, seed
from repositories.models import Namespace, Project, ProtectedBranch, Storage, Webhook
from tests import public_keys

BASE: dict[str, Any] = {
    "storages": [{"name": "default", "gitaly_address": "unix:/x"}],
    "users": [{"username": "ann", "personal_access_tokens": [{"name": "a", "token": "glpat-of-ann", "scopes": ["api"]}]}],
    "groups": [{"path": "acme"}],
    "projects": [{"path": "acme/rockets", "agents": [{"name": "a"}], "protected_branches": [{"name": "main"}]}],
}
POLICY = "is not a mapping in YAML, such as actions and rules"
PLAIN = "must be made of plain letters, digits and signs, since it travels in a header"

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("storages", {"name": "default", "gitaly_address": "gitaly"}, "gitaly_address: A Gitaly address starts with unix:"),
    ("storages", {"name": "default", "gitaly_address": f"unix:/{'a' * 107}"}, "gitaly_address: The path of a Unix socket has at most 107"),
    (
        "storages",
        {"name": "default", "gitaly_address": "tcp://localhost:99999"},
        "gitaly_address: The port must be a number from 1 to 65535",
    ),
    ("storages", {"name": "default", "gitaly_address": "dns:///"}, "gitaly_address: '' is not a host name"),
    ("groups", {"path": "acme", "ip_allowlist": ["10.0.0.0/8", "office"]}, "ip_allowlist[1]: 'office' is not a range"),
    ("groups", {"path": "acme", "verified_email_domains": ["a b"]}, "verified_email_domains[0]: 'a b' is not a domain"),
    ("groups", {"path": "acme", "default_branch_push": "banana"}, "default_branch_push: 'banana' is none of"),
    (
        "groups",
        {"path": "acme", "protected_branches": [{"name": "two words"}]},
        "protected_branches[0].name: 'two words' can match no name",
    ),
    ("groups", {"path": "acme", "saml": {"allowed_email_domains": ["@x"]}}, "saml.allowed_email_domains[0]: '@x' is not a domain"),
    ("groups", {"path": "acme", "security_policies": [{"name": "a", "yaml": "- a"}]}, f"security_policies[0].yaml: {POLICY}"),
    ("groups", {"path": "acme", "webhooks": [{"url": "nowhere"}]}, "webhooks[0].url: The address must start with"),
    ("groups", {"path": "acme", "webhooks": [{"url": "http://%31/"}]}, "webhooks[0].url: The host of the address must be"),
    ("groups", {"path": "acme", "webhooks": [{"url": "https://[fe80::1%25eth0]/"}]}, "webhooks[0].url: The host of the address must be"),
    ("groups", {"path": "acme", "name": "x" * 256}, "name: Ensure this value has at most 255 characters"),
    ("projects", {"path": "acme/rockets", "protected_tags": [{"name": "v[0-9]"}]}, "protected_tags"),
    (
        "projects",
        {"path": "acme/rockets", "protected_branches": [{"name": "a..b"}]},
        "protected_branches[0].name: 'a..b' can match no name",
    ),
    (
        "projects",
        {"path": "acme/rockets", "repository": {"default_branch": "a..b"}},
        "repository.default_branch: 'a..b' is not a branch name",
    ),
    ("projects", {"path": "acme/rockets", "repository": {"relative_path": "../x"}}, "repository.relative_path: '../x' is not a path below"),
    ("projects", {"path": "acme/rockets", "webhooks": [{"url": "https://x/", "token": "a\nb"}]}, f"webhooks[0].token: {PLAIN}"),
    ("projects", {"path": "acme/rockets", "error_tracking_keys": [{"public_key": "x" * 256}]}, "error_tracking_keys"),
    (
        "projects",
        {"path": "acme/rockets", "agents": [{"name": "a", "receptive": {"url": "grpc://", "private_key": "a2V5"}}]},
        "receptive.url",
    ),
    ("projects", {"path": "acme/rockets", "agents": [{"name": "A B"}]}, "agents[0]"),
    ("projects", {"path": "acme/rockets", "members": {"ann": "king"}}, "members.ann: 'king' is none of"),
    ("users", {"username": "ann", "projects_limit": 2**31}, "projects_limit"),
    (
        "users",
        {"username": "ann", "personal_access_tokens": [{"token": "glpat-of-ann", "scopes": ["all"]}]},
        "scopes[0]: There is no scope",
    ),
    ("users", {"username": "ann", "keys": [{"key": public_keys.ED25519, "title": "x" * 256}]}, "keys[0]"),
    ("instance", {"feature_flags": {"x": {"users": "ann"}}}, "instance.feature_flags.x.users: is not a list"),
    ("instance", {"broadcasts": [{"message": "x", "roles": ["king"]}]}, "instance.broadcasts[0].roles: is not a list of roles"),
    ("instance", {"web_url": "ftp://x"}, "instance.web_url: 'ftp://x' must be an http or https URL"),
]


@pytest.mark.parametrize(("section", "entry", "problem"), REFUSED)
def test_a_seed_file_is_refused_whether_it_makes_a_row_or_changes_one(db: None, section: str, entry: dict[str, Any], problem: str) -> None:
    document = {section: entry if section == "instance" else [entry]}
    for there in ({name: part for name, part in BASE.items() if name != section or section != "storages"}, BASE):
        seed([there], options=["rows_only"])
        with pytest.raises(SeedError) as caught:
            seed([document], options=["rows_only"])
        assert problem in str(caught.value)
        assert str(caught.value).startswith(section)
    assert not Webhook.objects.exists()


COMMANDS: list[tuple[list[str], str]] = [
    (["protect_branch", "acme/rockets", "two words"], "name: 'two words' can match no name"),
    (["protect_branch", "acme/rockets", "v[0-9]*"], "can match no name"),
    (["create_project", "acme/new", "--default-branch", "a..b"], "a..b"),
    (["create_group", "acme."], "is not accepted"),
    (["create_user", "bob.", "--email", "bob@example.com"], "is not accepted"),
    (["create_user", "bob", "--email", "nobody"], "is not accepted: email"),
    (["create_personal_access_token", "ann", "x", "--scope", "all"], "There is no scope 'all'."),
    (["create_personal_access_token", "ann", " ", "--scope", "api"], "is not accepted: name"),
    (["create_agent", "acme/rockets", "A B", "--created-by", "ann"], "small letters"),
    (["add_member", "acme/rockets", "ann", "king"], "king"),
]


@pytest.mark.parametrize(("words", "problem"), COMMANDS)
def test_a_command_is_refused_and_leaves_nothing(db: None, words: list[str], problem: str) -> None:
    seed([BASE], options=["rows_only"])
    before = (Project.objects.count(), Namespace.objects.count(), ProtectedBranch.objects.count())
    with pytest.raises(CommandError) as caught:
        call_command(*words)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (Project.objects.count(), Namespace.objects.count(), ProtectedBranch.objects.count()) == before


BEFORE = [
    ("internal_api", "0007_what_audit_events_tell"),
    ("accounts", "0005_sign_in_lock"),
    ("repositories", "0008_webhooks_have_one_place"),
    ("scim", "0002_blocks_of_scim"),
    ("kubernetes_agent", "0002_names_of_tokens_are_not_blank"),
    ("storage_limits", "0001_initial"),
]
"""Where no constraint stood yet."""


@pytest.mark.django_db(transaction=True)
def test_rows_from_before_the_constraints_are_kept_and_restrict_more() -> None:
    """An upgrade does not stop at a row that was accepted once; what it meant is kept for doctor to name."""
    seed([{**BASE, "instance": {"read_only": True}}], options=["rows_only"])
    executor = MigrationExecutor(connection)
    leaves = executor.loader.graph.leaf_nodes()
    try:
        executor.migrate(BEFORE)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE repositories_namespace SET ip_allowlist = '\"10.0.0.0/8\"' WHERE path = 'acme'")
            cursor.execute("UPDATE repositories_namespace SET default_branch_push = 'banana', storage_limit = -1 WHERE path = 'acme'")
            cursor.execute("UPDATE repositories_project SET default_branch = '', relative_path = ''")
            cursor.execute("UPDATE repositories_storage SET gitaly_address = 'gitaly:8075'")
            cursor.execute("UPDATE repositories_protectedbranch SET name = ' '")
            cursor.execute("UPDATE accounts_personalaccesstoken SET scopes = '{}'")
            cursor.execute("UPDATE internal_api_instancesettings SET allowed_key_types = '\"ssh-rsa\"', minimum_key_bits = '[1]'")
            cursor.execute("UPDATE internal_api_instancesettings SET default_branch_merge = 'banana', email_confirmation = 'x'")
    finally:
        MigrationExecutor(connection).migrate(leaves)
    acme, project, settings = Namespace.objects.get(path="acme"), Project.objects.get(), InstanceSettings.stored()
    assert (acme.ip_allowlist, acme.default_branch_push, acme.storage_limit) == (["10.0.0.0/8"], "maintainer", 0)
    assert (project.default_branch, project.relative_path, project.storage.gitaly_address) == ("main", None, "unix:gitaly:8075")
    assert not ProtectedBranch.objects.exists()
    assert PersonalAccessToken.objects.get().scopes == []
    assert (settings.allowed_key_types, settings.minimum_key_bits) == (["ssh-rsa"], {"unreadable": [1]})
    assert (settings.default_branch_merge, settings.email_confirmation, settings.read_only) == ("maintainer", "hard", True)


@pytest.mark.parametrize(
    ("model", "field", "value"),
    [
        (InstanceSettings, "default_branch_push", "banana"),
        (InstanceSettings, "broadcasts", {"a": 1}),
        (Namespace, "ip_allowlist", "10.0.0.0/8"),
        (Namespace, "project_creation_level", 999),
        (Project, "visibility", 7),
        (ProtectedBranch, "name", ""),
        (PersonalAccessToken, "scopes", {"api": True}),
        (Storage, "gitaly_address", "gitaly"),
    ],
)
def test_loaddata_is_held_by_the_constraints(db: None, tmp_path: Path, model: type[Model], field: str, value: Any) -> None:
    """Django's own command writes past validators and the audit log."""
    seed([BASE], options=["rows_only"])
    InstanceSettings().save()
    stored = json.loads(serializers.serialize("json", model.objects.order_by("pk")[:1]))  # type: ignore[attr-defined]  # each has the manager
    file = tmp_path / "rows.json"
    file.write_text(json.dumps(stored))
    call_command("loaddata", str(file), stdout=StringIO())
    stored[0]["fields"][field] = value
    file.write_text(json.dumps(stored))
    with pytest.raises(IntegrityError), transaction.atomic():
        call_command("loaddata", str(file), stdout=StringIO())
