"""The cast of the contract's cases: project 7 is private, 8 public; max Maintainer, ann Developer, rex Reporter, gus Guest of both."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from accounts.services.personal_access_tokens import create_token
from repositories.models import Namespace, Project
from repositories.services.access import set_member
from tests.conftest import workhorse_headers
from tests.factories import GroupFactory, ProjectFactory, UserFactory

PROJECT_NOT_FOUND = "The project you were looking for could not be found or you don't have permission to view it."
PASSWORD = "a long password of ann"
PULL, PUSH = "git-upload-pack", "git-receive-pack"
WORKHORSE_JSON = "application/vnd.gitlab-workhorse+json"


def basic(user: str, password: str) -> str:
    """An Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def gnuwget(db: None) -> Namespace:
    return GroupFactory.create(path="gnuwget")


@pytest.fixture
def pub(db: None) -> Namespace:
    return GroupFactory.create(path="pub", visibility="public")


@pytest.fixture
def people(db: None) -> dict[str, User]:
    names = ("max", "ann", "rex", "gus", "out")
    return {name: UserFactory.create(username=name) for name in names}


@pytest.fixture
def project7(gnuwget: Namespace, people: dict[str, User]) -> Project:
    """`gnuwget/wget2`, private."""
    return _with_members(ProjectFactory.create(id=7, path="wget2", namespace=gnuwget), people)


@pytest.fixture
def project8(pub: Namespace, people: dict[str, User]) -> Project:
    """`pub/lic`, public."""
    return _with_members(ProjectFactory.create(id=8, path="lic", namespace=pub, visibility="public"), people)


def _with_members(project: Project, people: dict[str, User]) -> Project:
    for name, level in {"max": 40, "ann": 30, "rex": 20, "gus": 10}.items():
        set_member(project, people[name], level)
    return project


@pytest.fixture
def git(project7: Project, project8: Project) -> "Git":
    """Git's requests as GitLab Workhorse passes them on, signed."""
    return Git()


class Git:
    """Asks for pre-authorisations."""

    def __init__(self, *, signed: bool = True) -> None:
        self.client = Client(headers=workhorse_headers() if signed else {})

    def info_refs(self, path: str, command: str | None, authorization: str | None = None, **headers: str) -> Any:
        query = {} if command is None else {"service": command}
        return self.client.get(f"/{path}.git/info/refs", query, headers=_headers(authorization, headers))

    def post(self, path: str, command: str, authorization: str | None = None, **headers: str) -> Any:
        return self.client.post(f"/{path}.git/{command}", headers=_headers(authorization, headers))

    def both(self, path: str, command: str, authorization: str | None = None, **headers: str) -> list[Any]:
        """The two requests of one command; each is decided anew."""
        return [self.info_refs(path, command, authorization, **headers), self.post(path, command, authorization, **headers)]


def _headers(authorization: str | None, headers: dict[str, str]) -> dict[str, str]:
    given = {} if authorization is None else {"authorization": authorization}
    return given | {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
def pat(people: dict[str, User]) -> Callable[..., str]:
    """Make a personal access token, and return the header that shows it; the username is arbitrary."""

    def make(name: str = "ann", *scopes: str, **fields: Any) -> str:
        _, clear = create_token(
            user=people.get(name) or User.objects.get(username=name), name="git", scopes=scopes or ["api"], expires_at=None, **fields
        )
        return basic("anybody", clear)

    return make


def allowed(answers: list[Any]) -> list[dict[str, Any]]:
    """The bodies of answers that allow."""
    assert [answer.status_code for answer in answers] == [200] * len(answers), [answer.content for answer in answers]
    assert {answer["Content-Type"] for answer in answers} == {WORKHORSE_JSON}
    return [answer.json() for answer in answers]


def refused(answers: list[Any], status: int, text: str | None = None) -> None:
    """Each answer refuses as the contract has it: short, plain text, with the header that keeps Workhorse from replacing it (22)."""
    for answer in answers:
        assert answer.status_code == status, answer.content
        assert answer["Content-Type"].partition(";")[0] == "text/plain"
        assert answer["X-GitLab-Custom-Error"] == "1"
        assert 0 < len(answer.content) < 4096
        assert ("WWW-Authenticate" in answer) is (status == 401)
        if text is not None:
            assert answer.content.decode() == text
