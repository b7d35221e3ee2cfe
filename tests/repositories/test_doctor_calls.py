"""What the doctor concludes from the calls of GitLab Shell and Gitaly; each situation is made by requests."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from accounts.models import SSHKey, User
from internal_api.doctor import Consultation, Finding, Level
from internal_api.last_calls import last_calls
from internal_api.models import LastCall, RefusedPeer
from internal_api.models.last_call import CallKind
from internal_api.refused_peers import refused_peers
from repositories.doctor_calls import GITALY, SHELL, check_calls
from repositories.models import Project
from repositories.services.access import set_member
from tests.factories import SSHKeyFactory
from tests.statements import at_most

ZEROS, NEW = "0" * 40, "570e7b2abdd848b95f2f578043fc23bd6f6fd24d"
API = "/api/v4/internal"
BY_GITALY, BY_SHELL = {"user-agent": "gitaly/18.9.0-rc4"}, {"user-agent": "GitLab-Shell"}


@pytest.fixture(autouse=True)
def noting(store: Any) -> Iterator[None]:
    """Calls and refusals are written down at once."""
    last_calls.forget()
    refused_peers.flush()
    yield
    last_calls.pause()


@pytest.fixture
def key(ann: User, rockets: Project) -> SSHKey:
    set_member(rockets, ann, 30)
    return SSHKeyFactory.create(user=ann)


def findings(name: str) -> list[Finding]:
    return [one for one in check_calls(Consultation()) if one.name == name]


def unwell(name: str) -> list[Finding]:
    return [one for one in findings(name) if one.level != Level.WELL]


def asks(shell: Client, key: SSHKey, **values: Any) -> int:
    """GitLab Shell's question before a push, or Gitaly's about its refs."""
    question = {"project": "acme/rockets", "action": "git-receive-pack", "changes": "_any", "protocol": "ssh", "key_id": key.pk, **values}
    headers = BY_SHELL if question["changes"] == "_any" else BY_GITALY
    return int(shell.post(f"{API}/allowed", question, content_type="application/json", headers=headers).status_code)


def pushes(shell: Client, key: SSHKey) -> None:
    """A whole push."""
    repository = f"project-{Project.objects.get().pk}"
    changes = f"{ZEROS} {NEW} refs/heads/topic\n"
    assert asks(shell, key) == 200
    assert asks(shell, key, changes=changes) == 200
    body = {"gl_repository": repository}
    assert shell.post(f"{API}/pre_receive", body, headers=BY_GITALY).status_code == 200
    report = {**body, "changes": changes, "identifier": f"key-{key.pk}"}
    assert shell.post(f"{API}/post_receive", report, headers=BY_GITALY).status_code == 200


def refused(stranger: Client, agent: dict[str, str], peer: str = "10.0.0.7") -> None:
    headers = {**agent, "gitlab-shell-api-request": "signed with another secret"}
    assert stranger.post(f"{API}/allowed", {}, headers=headers, REMOTE_ADDR=peer).status_code == 401


def test_nobody_has_called_yet(db: None) -> None:
    for name, line in ((GITALY, "[gitlab] url"), (SHELL, "gitlab_url")):
        (found,) = findings(name)
        assert (found.level, found.text) == (Level.WARNING, "none was ever answered")
        assert line in found.advice


def test_a_whole_push_is_well_and_each_age_is_told(shell: Client, key: SSHKey) -> None:
    pushes(shell, key)
    shell.get(f"{API}/check", headers=BY_SHELL)
    LastCall.objects.filter(kind=CallKind.PRE_RECEIVE).update(at=timezone.now() - timedelta(hours=3))
    (gitaly,), (gitlab_shell,) = findings(GITALY), findings(SHELL)
    assert (gitaly.level, gitlab_shell.level) == (Level.WELL, Level.WELL)
    assert gitaly.text == (
        "/allowed with changes by Gitaly 0 minutes ago, /pre_receive 3.0 hours ago, /post_receive 0 minutes ago, /check by Gitaly never"
    )
    assert gitlab_shell.text == (
        "/allowed by GitLab Shell 0 minutes ago, /allowed by GitLab Shell for a push, granted 0 minutes ago, "
        "/check by GitLab Shell 0 minutes ago"
    )


@pytest.mark.parametrize(
    ("agent", "name", "line"),
    [
        (BY_GITALY, GITALY, "Gitaly's config.toml let `[gitlab] secret_file`"),
        (BY_SHELL, SHELL, "GitLab Shell's config.yml let `secret_file`"),
    ],
)
def test_a_client_that_holds_another_secret_is_named(
    shell: Client, stranger: Client, key: SSHKey, agent: dict[str, str], name: str, line: str
) -> None:
    pushes(shell, key)
    refused(stranger, agent)
    (found,) = unwell(name)
    assert (found.level, "from 10.0.0.7 were refused" in found.text, line in found.advice) == (Level.PROBLEM, True, True)
    assert unwell(SHELL if name == GITALY else GITALY) == []
    last_calls.forget()
    pushes(shell, key)
    (found,) = unwell(name)
    assert found.level == Level.WARNING, "others of its kind are answered, or it has been put right"
    RefusedPeer.objects.update(last_at=timezone.now() - timedelta(days=2))
    assert unwell(name) == []


def test_gitaly_that_never_asks_is_told_with_the_usual_causes(shell: Client, key: SSHKey) -> None:
    """Pushes are granted, and nobody asks about their refs."""
    assert asks(shell, key) == 200
    found = unwell(GITALY)
    assert found[0].level == Level.PROBLEM
    assert "Gitaly has never asked about one" in found[0].text
    assert "`[gitlab] url`" in found[0].advice
    assert "[gitlab.http-settings]" in found[0].advice
    assert all(cause in found[0].advice for cause in ("missing at Gitaly", "doctor --repositories", "`[gitlab] secret_file`"))


def test_a_gitaly_that_no_longer_calls_is_told(shell: Client, key: SSHKey) -> None:
    pushes(shell, key)
    long_ago = timezone.now() - timedelta(hours=5)
    kinds = [CallKind.CHANGES_ALLOWED, CallKind.PRE_RECEIVE, CallKind.POST_RECEIVE]
    LastCall.objects.filter(kind__in=kinds).update(at=long_ago)
    Project.objects.get().push_events.all().delete()
    (found,) = unwell(GITALY)
    assert (found.level, "Gitaly last asked 5.0 hours ago" in found.text) == (Level.WARNING, True)


def test_pulls_and_refused_pushes_say_nothing_about_gitaly(shell: Client, key: SSHKey, ann: User, rockets: Project) -> None:
    assert asks(shell, key, action="git-upload-pack") == 200
    set_member(rockets, ann, 20)
    assert asks(shell, key) == 401
    assert [one.text for one in unwell(GITALY)] == ["none was ever answered"]


def test_the_check_of_each_program_is_told_apart_from_the_doctors_own(shell: Client, db: None) -> None:
    for agent in ({}, {"user-agent": "curl"}, BY_GITALY):
        assert shell.get(f"{API}/check", headers=agent).status_code == 200
    assert list(LastCall.objects.values_list("kind", flat=True)) == [CallKind.CHECK_BY_GITALY]


def test_a_minutes_calls_are_one_write(shell: Client, key: SSHKey) -> None:
    """And after that a pull is the one query that it was."""
    asks(shell, key, action="git-upload-pack")
    with at_most(1):
        assert asks(shell, key, action="git-upload-pack") == 200


def test_a_table_that_cannot_be_written_fails_no_request(shell: Client, key: SSHKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decisions 24a."""

    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("read only")

    monkeypatch.setattr(LastCall.objects, "update_or_create", away)
    assert asks(shell, key) == 200
    assert not LastCall.objects.exists()


def test_whatever_a_stranger_calls_itself_is_one_of_three(stranger: Client, db: None) -> None:
    for agent in ("gitaly", "x" * 5000, "gitaly\x1b[31m/1", "GitLab-Shell/1", ""):
        refused_peers.flush()
        refused(stranger, {"user-agent": agent})
    refused_peers.flush()
    refused(stranger, BY_GITALY)
    assert dict(RefusedPeer.objects.values_list("client", "number")) == {"other": 5, "gitaly": 1}
