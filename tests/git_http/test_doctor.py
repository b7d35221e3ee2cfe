"""What the doctor finds of Git over HTTP (contract: git-http 11, LD23, C9)."""

import base64
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from git_http.doctor_checks import ADDRESSES, CALLS, NAME, register
from internal_api import doctor
from internal_api.doctor import Consultation, Finding, Level
from internal_api.last_calls import last_calls
from internal_api.models import LastCall, RefusedPeer
from internal_api.models.last_call import CallKind
from internal_api.refused_peers import refused_peers
from internal_api.service_secrets import secret_file_of
from internal_api.service_tokens import WORKHORSE
from tests.git_http.conftest import PULL, Git


@pytest.fixture
def find(db: None, store: object) -> Callable[[str], list[Finding]]:
    """Run this check alone."""
    register()
    _, check = doctor._checks["Git over HTTP"]  # noqa: SLF001  the others are about other things

    def found(name: str) -> list[Finding]:
        return [one for one in check(Consultation()) if one.name == name]

    last_calls.forget()
    return found


def test_a_workhorse_that_asks(find: Callable[[str], list[Finding]], git: Git, workhorse: Client) -> None:
    secret_file_of(WORKHORSE).chmod(0o600)  # type: ignore[union-attr]  # the tests' settings name one
    assert workhorse.get("/api/v4/geo/proxy").status_code == 200
    git.info_refs("pub/lic", PULL, x_forwarded_for="203.0.113.5")
    [secret] = find(NAME)
    [calls] = find(CALLS)
    [addresses] = find(ADDRESSES)
    assert [secret.level, calls.level, addresses.level] == [Level.WELL] * 3
    assert calls.text == "version 18.9, started 0 minutes ago, a Git command 0 minutes ago"


def test_none_that_asks(find: Callable[[str], list[Finding]]) -> None:
    [calls] = find(CALLS)
    assert calls.level == Level.WARNING
    assert "-secretPath" in calls.advice
    assert not find(ADDRESSES)


def test_a_workhorse_with_another_secret(find: Callable[[str], list[Finding]], git: Git, workhorse: Client) -> None:
    refused_peers.flush()
    bad = Git(signed=False)
    bad.client = Client(headers={"gitlab-workhorse-api-request": "x.y.z", "gitlab-workhorse": "18.9"})
    bad.info_refs("pub/lic", PULL)
    assert RefusedPeer.objects.get().caller == "gitlab-workhorse"
    refused, unseen = find(CALLS)
    assert (refused.level, unseen.level) == (Level.PROBLEM, Level.WARNING)
    assert "another secret" in refused.text
    workhorse.get("/api/v4/geo/proxy")
    refused, _ = find(CALLS)
    assert refused.level == Level.WARNING  # it is over: another was answered since


def test_clients_without_addresses(find: Callable[[str], list[Finding]], git: Git) -> None:
    """contract: git-http 1.5: a proxy that names nobody."""
    git.info_refs("pub/lic", PULL)
    [addresses] = find(ADDRESSES)
    assert addresses.level == Level.WARNING
    assert "X-Forwarded-For $remote_addr" in addresses.advice
    LastCall.objects.filter(kind=CallKind.GIT_WITHOUT_ADDRESS).update(at=timezone.now() - timedelta(days=2))
    [addresses] = find(ADDRESSES)
    assert addresses.level == Level.WELL


@pytest.mark.parametrize("content", [base64.b64encode(bytes(31)), b"", b"not base64", b"\xff", None])
def test_a_secret_that_cannot_be_used(
    find: Callable[[str], list[Finding]], settings: Settings, tmp_path: Path, content: bytes | None
) -> None:
    settings.GITLAB_WORKHORSE_SECRET_FILE = tmp_path / "secret"
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    [secret] = find(NAME)
    assert secret.level == Level.PROBLEM
    assert str(tmp_path / "secret") in secret.text
    assert "openssl rand -base64 32" in secret.advice


def test_a_secret_that_everybody_can_read(find: Callable[[str], list[Finding]], settings: Settings, tmp_path: Path) -> None:
    settings.GITLAB_WORKHORSE_SECRET_FILE = tmp_path / "secret"
    (tmp_path / "secret").write_bytes(base64.b64encode(bytes(32)))
    (tmp_path / "secret").chmod(0o644)
    [secret] = find(NAME)
    assert secret.level == Level.WARNING


def test_no_secret_is_no_problem(find: Callable[[str], list[Finding]], settings: Settings) -> None:
    settings.GITLAB_WORKHORSE_SECRET_FILE = None
    [secret] = find(NAME)
    assert secret.level == Level.WELL
    assert not find(CALLS)
