"""What a seed file says about certificates, enterprise users and error tracking (seed format)."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from accounts.models import User
from repositories.models import EnterpriseUser, ErrorTrackingKey, GroupSSHCertificate, Webhook
from tests import public_keys

COMPANY: dict[str, Any] = {
    "users": [
        {"username": "ann", "enterprise_group": "acme", "keys": [{"key": public_keys.RSA_2048}]},
        {"username": "bob"},
    ],
    "groups": [
        {"path": "acme", "disable_ssh_keys": True, "ssh_certificates": [{"id": 31, "title": "CA", "key": public_keys.ED25519}]},
        {"path": "acme/tools"},
        {"path": "wiley", "ssh_certificates": [{"key": public_keys.ED25519}]},
    ],
    "projects": [{"path": "acme/rockets", "error_tracking_keys": [{"public_key": "glet_1"}, {"public_key": "glet_2", "active": False}]}],
}


def seed(tmp_path: Path, document: Any) -> str:
    path = tmp_path / "seed.yaml"
    path.write_text(yaml.safe_dump(document))
    out = StringIO()
    call_command("seed", str(path), stdout=out, stderr=StringIO())
    return out.getvalue()


def test_what_the_file_says_becomes_so_and_twice_the_same(tmp_path: Path, db: None) -> None:
    seed(tmp_path, COMPANY)
    assert set(GroupSSHCertificate.objects.values_list("group__path", "title")) == {
        ("acme", "CA"),
        ("wiley", public_keys.ED25519.split()[2]),
    }
    assert GroupSSHCertificate.objects.get(pk=31).group.path == "acme"
    assert EnterpriseUser.objects.get().user.username == "ann"
    assert dict(User.objects.values_list("username", "ssh_keys_disabled")) == {"ann": True, "bob": False}
    assert dict(ErrorTrackingKey.objects.values_list("public_key", "active")) == {"glet_1": True, "glet_2": False}
    assert seed(tmp_path, COMPANY).startswith("Nothing to change")


def test_later_files_change_it(tmp_path: Path, db: None) -> None:
    seed(tmp_path, COMPANY)
    seed(
        tmp_path,
        {"groups": [{"path": "acme", "disable_ssh_keys": False, "ssh_certificates": [{"title": "New", "key": public_keys.ED25519}]}]},
    )
    assert GroupSSHCertificate.objects.get(pk=31).title == "New"
    assert not User.objects.filter(ssh_keys_disabled=True).exists()
    document = {
        "users": [{"username": "ann", "enterprise_group": None}],
        "groups": [{"path": "acme", "ssh_certificates": [{"key": public_keys.ED25519, "absent": True}]}],
        "projects": [
            {
                "path": "acme/rockets",
                "error_tracking_keys": [{"public_key": "glet_1", "absent": True}, {"public_key": "glet_2", "active": True}],
            }
        ],
    }
    seed(tmp_path, document)
    assert not EnterpriseUser.objects.exists()
    assert GroupSSHCertificate.objects.get().group.path == "wiley"
    assert ErrorTrackingKey.objects.get().active
    assert seed(tmp_path, document).startswith("Nothing to change")


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"users": [{"username": "bob", "enterprise_group": "none"}]}, "users[0].enterprise_group: there is no group 'none'"),
        (
            {"users": [{"username": "bob", "enterprise_group": "acme/tools"}]},
            "users[0].enterprise_group: Enterprise users are for top-level groups.",
        ),
        (
            {"groups": [{"path": "acme/tools", "ssh_certificates": [{"key": public_keys.ED25519}]}]},
            "groups[0].ssh_certificates[0]: SSH certificates are for top-level groups.",
        ),
        (
            {"groups": [{"path": "acme", "ssh_certificates": [{"key": "nonsense"}]}]},
            "groups[0].ssh_certificates[0]: A public key starts with its type",
        ),
        (
            {"groups": [{"path": "acme", "ssh_certificates": [{"id": 99, "key": public_keys.ED25519}]}]},
            "groups[0].ssh_certificates[0].id: the authority has the id 31 already",
        ),
    ],
)
def test_a_mistake_is_told_by_its_place(tmp_path: Path, db: None, document: Any, error: str) -> None:
    seed(tmp_path, COMPANY)
    with pytest.raises(CommandError) as caught:
        seed(tmp_path, document)
    assert error in str(caught.value)


HOOKS: dict[str, Any] = {
    "instance": {"webhooks": [{"url": "https://ci.example.com/all", "token": "the webhook token", "events": ["push", "tag_push"]}]},
    "groups": [{"path": "acme", "webhooks": [{"url": "https://ci.example.com/acme", "events": ["tag_push"]}]}],
    "projects": [{"path": "acme/rockets", "webhooks": [{"url": "https://ci.example.com/rockets"}]}],
}


def test_webhooks_of_the_instance_groups_and_projects(tmp_path: Path, db: None) -> None:
    for _ in range(2):
        seed(tmp_path, {"storages": [{"name": "default"}], **HOOKS})
        rows = Webhook.objects.order_by("url").values_list(
            "url", "token", "namespace__path", "project__path", "push_events", "tag_push_events", "active"
        )
        assert list(rows) == [
            ("https://ci.example.com/acme", None, "acme", None, False, True, True),
            ("https://ci.example.com/all", "the webhook token", None, None, True, True, True),
            ("https://ci.example.com/rockets", None, None, "rockets", True, True, True),
        ]
    seed(tmp_path, {"instance": {"webhooks": [{"url": "https://ci.example.com/all", "absent": True}]}})
    assert Webhook.objects.count() == 2


@pytest.mark.parametrize(
    ("hook", "line"),
    [
        ({"url": "ftp://x/"}, r"instance.webhooks\[0\].url: The address must start"),
        ({"url": "https://x/", "token": "two\nlines"}, r"instance.webhooks\[0\].token: must be made of plain"),
        ({"url": "https://x/", "events": ["merge"]}, r"instance.webhooks\[0\].events\[0\]: is not one of: push, tag_push"),
        ({"url": "https://x/", "secret": "x"}, "secret"),
        ({"token": "x"}, "url"),
    ],
)
def test_webhooks_that_are_not_accepted(tmp_path: Path, db: None, hook: dict[str, Any], line: str) -> None:
    with pytest.raises(CommandError, match=line):
        seed(tmp_path, {"instance": {"webhooks": [hook]}})
    assert not Webhook.objects.exists()
