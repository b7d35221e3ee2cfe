"""A server that is ready to answer has loaded what answers need, and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
_PROGRAM = """
import gc, json, sys
import settings.wsgi
print(json.dumps({"modules": sorted(sys.modules), "frozen": gc.get_freeze_count(), "collecting": gc.isenabled()}))
"""
SELDOM_NEEDED = (
    "badkeys.checks",  # the first key that is entered
    "drf_spectacular.generators",  # whoever reads the description
    "grpc",  # the first push that asks Gitaly
    "internal_api.doctor_checks",
    "internal_api.seeding.engine",
    "qrcode",
    "redis",  # the first value that is shared
    "repositories.access_page",
    "repositories.dumps",
    "repositories.services.follow_up",  # a worker
    "repositories.seeds",
    "repositories.webhook_payloads",
    "whitenoise.middleware",  # the first page of the admin site
)
NEEDED_AT_ONCE = ("repositories.views.allowed", "kubernetes_agent.views.agent_info", "scim.views.users", "accounts.views.authorized_keys")


@pytest.fixture(scope="module")
def started() -> dict[str, object]:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True, cwd=ROOT)
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.once
def test_what_is_seldom_needed_is_not_loaded(started: dict[str, list[str]]) -> None:
    assert not set(SELDOM_NEEDED) & set(started["modules"])


@pytest.mark.once
def test_views_are_loaded_before_the_first_request(started: dict[str, list[str]]) -> None:
    assert set(NEEDED_AT_ONCE) <= set(started["modules"])


@pytest.mark.once
def test_what_was_loaded_is_never_searched_for_garbage_again(started: dict[str, object]) -> None:
    assert started["collecting"] is True
    assert isinstance(started["frozen"], int)
    assert started["frozen"] > 10_000
