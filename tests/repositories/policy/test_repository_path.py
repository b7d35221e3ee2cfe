"""What paths and ids name (contract: allowed 3 and 10.15, gitaly 6)."""

import pytest

from repositories.policy.facts import RepositoryType
from repositories.policy.repository_path import (
    Candidate,
    RepositoryId,
    candidates,
    clean_path,
    container_path,
    creatable_path,
    is_relative_path,
    parse_gl_repository,
    relative_path,
    split_path,
)


@pytest.mark.parametrize(
    ("typed", "cleaned"),
    [
        ("g/p", "g/p"),
        ("g/p.git", "g/p"),
        ("/g/p.git", "g/p"),
        ("/g/p.git/", "g/p"),
        ("g/p.wiki.git", "g/p.wiki"),
        ("", ""),
        ("//g/p", "/g/p"),
    ],
)
def test_paths_as_typed(typed: str, cleaned: str) -> None:
    """gitlab-shell 5 #50."""
    assert clean_path(typed) == cleaned


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("project-7", RepositoryId(RepositoryType.PROJECT, 7)),
        ("wiki-7", RepositoryId(RepositoryType.WIKI, 7)),
        ("project-7-wiki", RepositoryId(RepositoryType.WIKI, 7)),
        ("design-7", RepositoryId(RepositoryType.DESIGN, 7)),
        *[
            (text, None)
            for text in [
                "snippet-7", "project-", "project-abc", "foo", "project-0", "project--7", "group-1-wiki", "project-7\n", "",
                "project-99999999999999999999", "project-\u0667", "project-9223372036854775808", "foo-1", "project-7-design",
            ]
        ],
    ],
)  # fmt: skip
def test_ids_of_repositories(text: str, found: RepositoryId | None) -> None:
    """Allowed 3.2, gitaly 6 #26, decisions 2 and 18."""
    assert parse_gl_repository(text) == found


def test_a_project_really_called_wiki_comes_before_the_wiki() -> None:
    """Allowed 3.3, 10.15 #356, #362."""
    assert candidates("g/p") == (Candidate("g/p", RepositoryType.PROJECT),)
    assert candidates("g/p.wiki") == (Candidate("g/p.wiki", RepositoryType.PROJECT), Candidate("g/p", RepositoryType.WIKI))
    assert candidates("g/p.design") == (Candidate("g/p.design", RepositoryType.PROJECT), Candidate("g/p", RepositoryType.DESIGN))


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("g/p", ("g", "p")),
        ("g/s/p", ("g/s", "p")),
        ("~joe/p", None),
        ("foo", None),
        ("", None),
        ("/p", None),
        ("g/", None),
        ("g//p", None),
        ("-g/p", None),
        ("admin/p", None),
        ("Admin/p", None),
        ("g/admin", ("g", "admin")),
        ("g/wikis", None),
        ("g/p.atom", None),
        ("g/p q", None),
        ("g/é", None),
    ],
)
def test_paths_that_can_be_a_projects(path: str, parts: tuple[str, str] | None) -> None:
    """Allowed 3.5."""
    assert split_path(path) == parts


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("g/p", ("g", "p")),
        ("g/sub/P", ("g/sub", "P")),
        ("g/p.wiki", None),
        ("g/p.WIKI", None),
        ("g/p.design", None),
        ("g/wikip", ("g", "wikip")),
        ("p", None),
    ],
)
def test_paths_that_a_first_push_may_create(path: str, parts: tuple[str, str] | None) -> None:
    """Allowed 4.7."""
    assert creatable_path(path) == parts


@pytest.mark.parametrize(
    ("text", "lies_below"),
    [
        ("old/rockets.git", True),
        ("rockets.git", True),
        ("a/..b/c", True),
        ("", False),
        ("/rockets.git", False),
        ("old//rockets.git", False),
        ("old/rockets.git/", False),
        ("./rockets.git", False),
        ("old/../../other", False),
        ("old/rock\nets.git", False),
        ("old/rock\x00ets.git", False),
    ],
)
def test_paths_below_a_storage(text: str, lies_below: bool) -> None:
    assert is_relative_path(text) is lies_below


def test_places_on_disk() -> None:
    """Allowed 6, hashed storage; the document's own example for the wiki of a project with a stored path."""
    digest = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
    assert relative_path(1, "project") == f"@hashed/6b/86/{digest}.git"
    assert relative_path(1, "wiki") == f"@hashed/6b/86/{digest}.wiki.git"
    assert relative_path(1, "design") == f"@hashed/6b/86/{digest}.design.git"
    assert relative_path(1, "wiki", "old/place.git") == "old/place.wiki.git"
    assert relative_path(1, "project", "old/place.git") == "old/place.git"


def test_where_a_repository_is_as_people_write_it() -> None:
    assert [container_path("g/p", kind) for kind in ("project", "wiki", "design")] == ["g/p", "g/p.wiki", "g/p.design"]
