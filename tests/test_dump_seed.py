"""The file that would rebuild the present state: loaded into an empty database, it gives the same file again."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command

from repositories.models import Namespace, Project
from tests.internal_api.seeding.test_seed import COMPANY
from tests.kubernetes_agent.test_seeds_and_commands import COMPANY as CLUSTERS
from tests.scim.test_seeds_and_commands import COMPANY as PROVISIONED

RULES = {
    "storages": [{"name": "default", "gitaly_address": "unix:/run/gitaly.socket", "gitaly_token": "the gitaly token"}],
    "users": [{"username": "zoe", "enterprise_group": "zoo", "storage_limit": 7, "two_factor_secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"}],
    "groups": [
        {
            "path": "zoo",
            "storage_limit": 10,
            "storage_limit_exclusion": {"id": 3, "reason": "for testing reasons"},
            "members": {"zoe": "owner"},
        },
        {"path": "zoo/cages", "protected_branches": []},
    ],
    "projects": [
        {
            "path": "zoo/cages/lions",
            "storage_size": 11,
            "webhooks": [{"url": "https://ci.example.com/lions", "events": ["tag_push"], "active": False}],
            "error_tracking_keys": [{"public_key": "glet_1"}],
            "protected_branches": [
                {
                    "name": "main",
                    "push": ["maintainer", {"user": "zoe"}, {"group": "zoo"}],
                    "merge": ["developer"],
                    "allow_force_push": True,
                }
            ],
            "protected_tags": [{"name": "v*", "create": ["no_one"]}],
        }
    ],
}


def load(tmp_path: Path, document: Any) -> None:
    path = tmp_path / "seed.yaml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    call_command("seed", str(path), stdout=StringIO(), stderr=StringIO())


def dumped(*options: str) -> str:
    out = StringIO()
    call_command("dump_seed", *options, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("documents", [[COMPANY, RULES], [CLUSTERS], [PROVISIONED], []])
@pytest.mark.django_db(transaction=True)
def test_a_dump_rebuilds_what_was_there(tmp_path: Path, documents: list[Any]) -> None:
    for document in documents:
        load(tmp_path, document)
    first = dumped()
    assert json.loads(dumped("--json")) == yaml.safe_load(first)
    call_command("flush", interactive=False, verbosity=0)
    assert not Namespace.objects.exists()
    load(tmp_path, first)
    assert dumped() == first


@pytest.mark.django_db(transaction=True)
def test_a_dump_has_no_secret(tmp_path: Path) -> None:
    for document in (COMPANY, RULES, CLUSTERS, PROVISIONED):
        load(tmp_path, document)
    text = dumped()
    for secret in ("glpat-", "glagent-", "glsoat-", "correct horse", "JBSWY3", "the gitaly token", "a2V5"):
        assert secret not in text
    assert Project.objects.filter(path="lions").exists()
    assert "storage_limit_exclusion" in text
