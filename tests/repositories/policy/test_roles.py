"""Who can pull and push by default: the matrices of allowed 9, whole."""

import pytest

from repositories.policy import Actor, Allowed, Denied, RepositoryType, Role, decide
from repositories.policy.reasons import WIKI_DOWNLOAD_NOT_ALLOWED, Reason
from tests.repositories.policy.questions import (
    ADMIN,
    ARCHIVE,
    EXTERNAL,
    NOBODY,
    OTHER_KEY,
    PULL,
    PUSH,
    READING_KEY,
    STRANGER,
    WRITING_KEY,
    ask,
    member,
    project,
)

Matrix = dict[str, list[tuple[str | None, str | None]]]

OK = None
N = Reason.PROJECT_NOT_FOUND.message
F = Reason.DOWNLOAD_NOT_ALLOWED.message
P = Reason.PUSH_NOT_ALLOWED.message
U = Reason.UPLOAD_NOT_ALLOWED.message
D = Reason.DEPLOY_KEY_CANNOT_PUSH.message
W = WIKI_DOWNLOAD_NOT_ALLOWED
X = Reason.WIKI_NOT_FOUND.message
R = Reason.WIKI_NOT_WRITABLE.message

PEOPLE: dict[str, Actor] = {
    "nobody": NOBODY,
    "stranger": STRANGER,
    "external": EXTERNAL,
    "minimal": member(Role.MINIMAL),
    "guest": member(Role.GUEST),
    "external guest": member(Role.GUEST, external=True),
    "planner": member(Role.PLANNER),
    "reporter": member(Role.REPORTER),
    "security manager": member(Role.SECURITY_MANAGER),
    "developer": member(Role.DEVELOPER),
    "maintainer": member(Role.MAINTAINER),
    "owner": member(Role.OWNER),
    "admin": ADMIN,
    "reading key": READING_KEY,
    "writing key": WRITING_KEY,
    "other key": OTHER_KEY,
}

# allowed 9.1: the repository feature is enabled. Pull and push of a private, an internal and a public project.
REPOSITORY_ENABLED: Matrix = {
    "nobody": [(N, N), (N, N), (OK, U)],
    "stranger": [(N, N), (OK, P), (OK, P)],
    "external": [(N, N), (N, N), (OK, P)],
    "minimal": [(N, N), (OK, P), (OK, P)],
    "guest": [(F, P), (OK, P), (OK, P)],
    "external guest": [(F, P), (F, P), (OK, P)],
    "planner": [(OK, P), (OK, P), (OK, P)],
    "reporter": [(OK, P), (OK, P), (OK, P)],
    "security manager": [(OK, P), (OK, P), (OK, P)],
    "developer": [(OK, OK), (OK, OK), (OK, OK)],
    "maintainer": [(OK, OK), (OK, OK), (OK, OK)],
    "owner": [(OK, OK), (OK, OK), (OK, OK)],
    "admin": [(OK, OK), (OK, OK), (OK, OK)],
    "reading key": [(OK, D), (OK, D), (OK, D)],
    "writing key": [(OK, OK), (OK, OK), (OK, OK)],
    "other key": [(N, N), (N, N), (OK, D)],
}
# allowed 9.2: members only.
REPOSITORY_PRIVATE: Matrix = {
    "nobody": [(N, N), (N, N), (F, U)],
    "stranger": [(N, N), (F, P), (F, P)],
    "external": [(N, N), (N, N), (F, P)],
    "minimal": [(N, N), (F, P), (F, P)],
    "guest": [(F, P), (OK, P), (OK, P)],
    "planner": [(F, P), (OK, P), (OK, P)],
    "reporter": [(OK, P), (OK, P), (OK, P)],
    "developer": [(OK, OK), (OK, OK), (OK, OK)],
    "admin": [(OK, OK), (OK, OK), (OK, OK)],
    "reading key": [(OK, D), (OK, D), (OK, D)],
    "other key": [(N, N), (N, N), (F, D)],
}
# allowed 9.2: nobody at all, but whoever sees the project is told so.
REPOSITORY_DISABLED: Matrix = {
    "nobody": [(N, N), (N, N), (F, U)],
    "stranger": [(N, N), (F, P), (F, P)],
    "guest": [(F, P), (F, P), (F, P)],
    "developer": [(F, P), (F, P), (F, P)],
    "owner": [(F, P), (F, P), (F, P)],
    "admin": [(F, P), (F, P), (F, P)],
    "reading key": [(F, D), (F, D), (F, D)],
    "other key": [(N, N), (N, N), (F, D)],
}
# allowed 9.4 and 10.11: the wiki's own feature level decides.
WIKI_ENABLED: Matrix = {
    "nobody": [(X, X), (X, X), (OK, U)],
    "stranger": [(X, X), (OK, R), (OK, R)],
    "external": [(X, X), (X, X), (OK, R)],
    "guest": [(W, R), (OK, R), (OK, R)],
    "planner": [(OK, OK), (OK, OK), (OK, OK)],
    "reporter": [(OK, R), (OK, R), (OK, R)],
    "security manager": [(OK, R), (OK, R), (OK, R)],
    "developer": [(OK, OK), (OK, OK), (OK, OK)],
    "owner": [(OK, OK), (OK, OK), (OK, OK)],
    "admin": [(OK, OK), (OK, OK), (OK, OK)],
    "reading key": [(OK, D), (OK, D), (OK, D)],
    "other key": [(X, X), (X, X), (OK, D)],
}
WIKI_PRIVATE: Matrix = {
    "nobody": [(X, X), (X, X), (W, U)],
    "stranger": [(X, X), (W, R), (W, R)],
    "guest": [(W, R), (W, R), (W, R)],
    "reporter": [(OK, R), (OK, R), (OK, R)],
    "developer": [(OK, OK), (OK, OK), (OK, OK)],
}
WIKI_DISABLED: Matrix = {
    "stranger": [(X, X), (W, R), (W, R)],
    "developer": [(W, R), (W, R), (W, R)],
    "admin": [(W, R), (W, R), (W, R)],
    "reading key": [(W, D), (W, D), (W, D)],
}
MATRICES: dict[tuple[str, str], Matrix] = {
    (RepositoryType.PROJECT, "enabled"): REPOSITORY_ENABLED,
    (RepositoryType.PROJECT, "private"): REPOSITORY_PRIVATE,
    (RepositoryType.PROJECT, "disabled"): REPOSITORY_DISABLED,
    (RepositoryType.WIKI, "enabled"): WIKI_ENABLED,
    (RepositoryType.WIKI, "private"): WIKI_PRIVATE,
    (RepositoryType.WIKI, "disabled"): WIKI_DISABLED,
}
ROWS = [
    pytest.param(kind, level, who, visibility, action, text, id=f"{kind} {level}: {who} {action.removeprefix('git-')} {visibility}")
    for (kind, level), matrix in MATRICES.items()
    for who, cells in matrix.items()
    for visibility, (pull, push) in zip(["private", "internal", "public"], cells, strict=True)
    for action, text in [(PULL, pull), (ARCHIVE, pull), (PUSH, push)]
]


@pytest.mark.parametrize(("kind", "level", "who", "visibility", "action", "text"), ROWS)
def test_the_matrix_of_roles(kind: str, level: str, who: str, visibility: str, action: str, text: str | None) -> None:
    feature = "repository_access_level" if kind == RepositoryType.PROJECT else "wiki_access_level"
    what = project(visibility=visibility, **{feature: level})
    verdict = decide(ask(PEOPLE[who], action, what, repository_type=kind))
    assert (verdict.message if isinstance(verdict, Denied) else None) == text
    assert isinstance(verdict, Allowed if text is None else Denied)


@pytest.mark.parametrize("kind", [RepositoryType.PROJECT, RepositoryType.WIKI])
@pytest.mark.parametrize("action", [PULL, PUSH])
@pytest.mark.parametrize("visibility", ["private", "internal", "public"])
@pytest.mark.parametrize("level", ["enabled", "private", "disabled"])
def test_a_higher_role_never_loses_a_pull_or_a_push(kind: str, action: str, visibility: str, level: str) -> None:
    """The one exception is the contract's: a planner writes the wiki, a reporter does not."""
    ladder = [role for role in Role if role != Role.ADMIN and not (kind == "wiki" and action == PUSH and role == Role.PLANNER)]
    what = project(visibility=visibility, repository_access_level=level, wiki_access_level=level)
    answers = [isinstance(decide(ask(member(role), action, what, repository_type=kind)), Allowed) for role in ladder]
    assert answers == sorted(answers)
