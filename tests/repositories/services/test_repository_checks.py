"""`doctor --repositories` finds what is missing on either side (contract: decisions 16d)."""

import contextlib
import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from repositories import repository_checks
from repositories.models import Project, PushEvent, Storage
from repositories.policy.repository_path import relative_path
from tests.factories import ProjectFactory
from tests.gitaly_server import FakeGitaly


def findings(*options: str) -> tuple[list[Any], str]:
    out, err = StringIO(), StringIO()
    with contextlib.suppress(SystemExit):  # a problem is an exit code
        call_command("doctor", "--json", *options, stdout=out, stderr=err)
    found = [(one["level"], one["text"], one["advice"]) for one in json.loads(out.getvalue()) if "repositories of" in one["name"]]
    return found, err.getvalue()


def test_all_is_well(gitaly: FakeGitaly, rockets: Project) -> None:
    gitaly.make(relative_path(rockets.pk, "project"))
    found, progress = findings("--repositories")
    assert [(level, text.partition(".")[0]) for level, text, _ in found] == [("well", "all 1 are as their projects say")]
    assert "Gitaly has no call that lists repositories" in found[0][1]
    assert progress == "repositories of storage default: 1 of 1\n"
    assert findings() == ([], "")


def test_missing_on_either_side_in_batches(gitaly: FakeGitaly, rockets: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository_checks, "BATCH", 2)
    others = [ProjectFactory.create(path=f"p{number}", namespace=rockets.namespace) for number in range(3)]
    for project in others[:2]:
        gitaly.make(relative_path(project.pk, "project"))
    Project.objects.filter(pk=others[1].pk).update(repository_exists=False)
    found, progress = findings("--repositories")
    assert found == [
        ("problem", "missing at Gitaly: acme/rockets, acme/p2", "Create them: python manage.py create_repositories"),
        (
            "warning",
            "there, although the projects say that they are not: acme/p1",
            "Let their projects know: python manage.py create_repositories --project PATH",
        ),
    ]
    assert progress.count("\n") == 2
    call_command("create_repositories", stdout=StringIO())
    assert [level for level, _, _ in findings("--repositories")[0]] == ["well"]


def test_wiki_that_was_pushed_and_is_missing_is_named(gitaly: FakeGitaly, rockets: Project) -> None:
    gitaly.make(relative_path(rockets.pk, "project"))
    assert [level for level, _, _ in findings("--repositories")[0]] == ["well"], "a wiki without a push is made by the first"
    PushEvent.objects.create(project=rockets, gl_repository=f"wiki-{rockets.pk}")
    (found,) = findings("--repositories")[0]
    assert found == ("problem", "missing at Gitaly: acme/rockets.wiki", "Create them: python manage.py create_repositories")
    call_command("create_repositories", stdout=StringIO())
    assert [level for level, _, _ in findings("--repositories")[0]] == ["well"]


def test_storage_that_is_away_and_one_that_refuses_the_token(gitaly: FakeGitaly, rockets: Project) -> None:
    Storage.objects.update(gitaly_token="another")
    Storage.objects.create(name="second", gitaly_address="unix:/nowhere/socket")
    texts = [text for _, text, _ in findings("--repositories")[0]]
    assert texts[0].startswith("cannot be looked at: Gitaly refuses the token")
    assert texts[1] == "cannot be looked at: Gitaly is not available: there is no socket at /nowhere/socket"
