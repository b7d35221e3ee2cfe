"""Whatever makes a project makes its repository at Gitaly, or says that it did not (contract: decisions 16d)."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from repositories.errors import RepositoryNotCreatedError
from repositories.models import Project, ProtectedBranch, PushEvent, Storage
from repositories.policy.repository_path import relative_path
from repositories.selectors.namespaces import find_namespace
from repositories.services import repository_creation
from repositories.services.projects import create_project
from tests.gitaly_server import FakeGitaly
from tests.repositories.services.conftest import BareRepository

DEMO = Path(__file__).resolve().parents[3] / "demo" / "seed.yaml"


def seed(tmp_path: Path, document: dict[str, Any], *options: str) -> str:
    file, out = tmp_path / "seed.yaml", StringIO()
    file.write_text(yaml.safe_dump(document))
    call_command("seed", str(file), *options, stdout=out)
    return out.getvalue()


def command(*arguments: str) -> Any:
    out = StringIO()
    call_command(*arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def company(gitaly: FakeGitaly, **repository: Any) -> dict[str, Any]:
    return {
        "storages": [{"name": "default", "gitaly_address": gitaly.address, "gitaly_token": "gitaly token"}],
        "groups": [{"path": "acme"}],
        "projects": [{"id": 7, "path": "acme/rockets", "repository": repository}],
    }


def bare(gitaly: FakeGitaly, repository_type: str = "project") -> BareRepository:
    return BareRepository(gitaly.path_of("default", relative_path(7, repository_type)))


def test_seed_makes_repositories_that_count_as_empty(gitaly: FakeGitaly, tmp_path: Path) -> None:
    assert "repositories: 1 created" in seed(tmp_path, company(gitaly, exists=True, empty=False, default_branch="trunk"))
    project = Project.objects.get()
    assert (project.empty, project.default_branch, bare(gitaly).head) == (True, "trunk", "refs/heads/trunk")
    assert not bare(gitaly, "wiki").path.exists()
    assert seed(tmp_path, {"projects": [{"path": "acme/rockets"}]}) == "Nothing to change: everything is as the files say.\n"


@pytest.mark.parametrize(("options", "exists"), [(["--rows-only"], True), ([], False)])
def test_seed_makes_rows_only_where_it_is_told_so(gitaly: FakeGitaly, tmp_path: Path, options: list[str], exists: bool) -> None:
    gitaly.calls.clear()
    assert "epositories" not in seed(tmp_path, company(gitaly, exists=exists), *options)
    assert (gitaly.calls, Project.objects.get().empty) == ([], False)


@pytest.mark.django_db
def test_demo_without_gitaly_says_what_is_missing_and_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gitaly is not even asked, so that nobody waits."""
    monkeypatch.setattr(repository_creation, "storage_health", lambda *_: pytest.fail("asked"))
    out = StringIO()
    call_command("seed", str(DEMO), stdout=out)
    assert (
        "The repositories of gnuwget/wget2, gnuwget/tools/release-notes, gnuwget/website cannot be looked at: Gitaly is not available: "
        in out.getvalue()
    )
    assert "run: python manage.py create_repositories" in out.getvalue()
    assert Project.objects.filter(empty=True).count() == 0


def test_gitaly_connected_later_gets_what_is_missing(gitaly: FakeGitaly, tmp_path: Path) -> None:
    document = company(gitaly)
    document["storages"][0]["gitaly_address"] = "tcp://127.0.0.1:1"
    told = json.loads(seed(tmp_path, document, "--output", "json"))
    assert told["notes"][0].startswith("The repositories of acme/rockets cannot be looked at: Gitaly is not available: UNAVAILABLE")
    with pytest.raises(CommandError, match=r"1 could not be looked at\."):
        command("create_repositories")
    Storage.objects.update(gitaly_address=gitaly.address)
    assert command("create_repositories", "--wikis") == {"created": 2, "existing": 0, "not_created": [], "not_looked_at": []}
    assert (Project.objects.get().empty, bare(gitaly).head, bare(gitaly, "wiki").head) == (True, "refs/heads/main", "refs/heads/main")
    assert command("create_repositories", "--wikis") == {"created": 0, "existing": 2, "not_created": [], "not_looked_at": []}


def test_storage_that_does_not_answer_is_asked_once(gitaly: FakeGitaly, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gitaly.hang_seconds = 1
    monkeypatch.setattr(repository_creation, "SECONDS", 0.2)
    document = company(gitaly)
    document["projects"] = [{"path": f"acme/p{number}"} for number in range(12)]
    gitaly.calls.clear()
    out = seed(tmp_path, document)
    assert gitaly.calls in ([], ["ServerInfo"]), "on a busy machine the time is up before the question is sent"
    assert "acme/p9 and 2 more cannot be looked at: Gitaly did not answer in time." in out


@pytest.mark.parametrize("output", [[], ["--json"]])
def test_repositories_that_exist_are_not_called_missing_while_gitaly_is_away(gitaly: FakeGitaly, tmp_path: Path, output: list[str]) -> None:
    seed(tmp_path, company(gitaly))
    Storage.objects.update(gitaly_token="another")
    out = StringIO()
    with pytest.raises(CommandError, match=r"^1 could not be looked at\.$"):
        call_command("create_repositories", *output, stdout=out)
    assert "No repository" not in out.getvalue()
    if output:
        told = json.loads(out.getvalue())
        assert ([one["path"] for one in told["not_looked_at"]], told["not_created"]) == (["acme/rockets"], [])
    else:
        assert "The repositories of acme/rockets cannot be looked at: Gitaly refuses the token" in out.getvalue()


def test_repository_that_cannot_be_made_is_told_as_such(gitaly: FakeGitaly, tmp_path: Path) -> None:
    seed(tmp_path, company(gitaly), "--rows-only")

    def before(name: str) -> None:
        if name == "CreateRepository":
            gitaly.unavailable = 5

    gitaly.before = before
    out = StringIO()
    with pytest.raises(CommandError, match=r"^1 could not be made\.$"):
        call_command("create_repositories", stdout=out)
    assert f"acme/rockets: {RepositoryNotCreatedError.message} (Gitaly is not available" in out.getvalue()


def test_wiki_that_was_pushed_and_is_missing_is_made_again(gitaly: FakeGitaly, tmp_path: Path) -> None:
    seed(tmp_path, company(gitaly))
    assert command("create_repositories")["existing"] == 1
    assert not bare(gitaly, "wiki").path.exists(), "its first push makes it"
    PushEvent.objects.create(project_id=7, gl_repository="wiki-7")
    assert command("create_repositories") == {"created": 1, "existing": 1, "not_created": [], "not_looked_at": []}
    assert bare(gitaly, "wiki").head == "refs/heads/main"
    assert command("create_repositories")["existing"] == 2


def test_wrong_token_is_told_as_such(gitaly: FakeGitaly, tmp_path: Path) -> None:
    document = company(gitaly)
    document["storages"][0]["gitaly_token"] = "another"
    assert "acme/rockets cannot be looked at: Gitaly refuses the token: " in seed(tmp_path, document)


def test_seeded_project_follows_the_head_of_a_repository_that_was_there(gitaly: FakeGitaly, tmp_path: Path) -> None:
    gitaly.make(relative_path(7, "project"))
    bare(gitaly).branches("develop", "master")
    seed(tmp_path, company(gitaly))
    project = Project.objects.get()
    assert (project.empty, project.default_branch, bare(gitaly).head) == (False, "master", "refs/heads/master")
    assert not ProtectedBranch.objects.exists(), "the file says that it is not empty, and names no rule"


def test_seeded_project_keeps_the_default_branch_that_the_file_names(gitaly: FakeGitaly, tmp_path: Path) -> None:
    gitaly.make(relative_path(7, "project"))
    bare(gitaly).branches("develop", "main")
    seed(tmp_path, company(gitaly, default_branch="develop"))
    assert Project.objects.get().default_branch == "develop"


def test_created_project_takes_the_branches_of_a_repository_that_was_there(gitaly: FakeGitaly, tmp_path: Path) -> None:
    """And protects the branch that clones check out."""
    seed(tmp_path, {**company(gitaly), "projects": []})
    made = command("create_project", "acme/first", "--default-branch", "trunk")
    assert (made["default_branch"], made["repository"]) == ("trunk", "made")
    project = Project.objects.get()
    repository = BareRepository(gitaly.path_of("default", relative_path(project.pk, "project")))
    assert repository.head == "refs/heads/trunk"
    repository.branches("develop", "master")
    call_command("delete_project", "acme/first", "--confirm", "acme/first", "--keep-repository", stdout=StringIO())
    again = create_project(path="second", namespace=find_namespace("acme").get(), id=project.pk, empty=True)
    assert command("create_repositories", "--project", "acme/second")["existing"] == 1
    again.refresh_from_db()
    assert (again.empty, again.default_branch, repository.head) == (False, "master", "refs/heads/master")
    assert ProtectedBranch.objects.get().name == "master"


def test_create_project_makes_no_wiki_and_knows_it(gitaly: FakeGitaly, tmp_path: Path) -> None:
    seed(tmp_path, {**company(gitaly), "projects": []})
    command("create_project", "acme/rockets")
    assert (Project.objects.get().wiki_exists, Project.objects.get().repository_exists) == (False, True)
    made = command("create_project", "acme/engines", "--without-repository")
    assert made["repository"] == "not made; make it with: manage.py create_repositories"
    for branch in ("a..b", "a" * 40, "0" * 64):
        with pytest.raises(CommandError, match="is not a valid name of a branch"):
            command("create_project", "acme/wings", "--default-branch", branch)
    with pytest.raises(CommandError, match="There is no project 'acme/none'"):
        command("create_repositories", "--project", "acme/none")


def test_set_default_branch_command(gitaly: FakeGitaly, tmp_path: Path) -> None:
    seed(tmp_path, company(gitaly))
    assert command("set_default_branch", "acme/rockets", "trunk") == {
        "path": "acme/rockets", "default_branch": "trunk", "former_default_branch": "main", "rule_moved": False,
    }  # fmt: skip
    assert bare(gitaly).head == "refs/heads/trunk"
    with pytest.raises(CommandError, match="There is no project 'acme/none'"):
        command("set_default_branch", "acme/none", "trunk")
