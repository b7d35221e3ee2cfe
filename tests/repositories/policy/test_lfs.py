"""Pushes are held against the LFS objects that they name, where the instance wants that (contract: git-http 7.1, LD13)."""

from dataclasses import replace
from typing import Any

import pytest

from repositories.policy import Allowed, Change, Denied, Instance, LacksLFSObjects, NeedsGit, Reason, Verdict, decide
from tests.repositories.policy.questions import PUSH, ask, project
from tests.repositories.policy.test_ref_updates import DEVELOPER, NEW, OLD, create, delete, update

USED = project(has_lfs_objects=True)
ASKED = NeedsGit((LacksLFSObjects((NEW,)),))


def push(what: Any = USED, *changes: Change, instance: dict[str, Any] | None = None, **fields: Any) -> Verdict:
    asked = ask(DEVELOPER, PUSH, what, changes=changes or (create("refs/heads/x"),), instance=Instance(**(instance or {})))
    return decide(replace(asked, **fields))


@pytest.mark.parametrize(
    ("check", "enabled", "on_instance", "has_objects", "expected"),
    [
        ("used", True, True, True, ASKED),
        ("used", True, True, False, Allowed()),
        ("always", True, True, False, ASKED),
        ("always", True, True, True, ASKED),
        ("off", True, True, True, Allowed()),
        ("always", False, True, True, Allowed()),
        ("always", True, False, True, Allowed()),
    ],
)
def test_when_git_is_asked(check: str, enabled: bool, on_instance: bool, has_objects: bool, expected: Verdict) -> None:
    """Contract: git-http 197."""
    what = project(lfs_enabled=enabled, has_lfs_objects=has_objects)
    assert push(what, instance={"lfs_integrity_check": check, "lfs_enabled": on_instance}) == expected


def test_all_new_revisions_are_one_question() -> None:
    first, second = create("refs/heads/x"), update("refs/heads/y")
    third = Change(OLD, "c" * 40, "refs/notes/z")
    assert push(USED, first, second, third, delete("refs/heads/d")) == NeedsGit((LacksLFSObjects((NEW, "c" * 40)),))


def test_deletions_pulls_wikis_and_first_checks_are_not_held_against_it() -> None:
    """Contract: git-http 197."""
    assert push(USED, delete("refs/heads/x")) == Allowed()
    assert push(USED, action="git-upload-pack") == Allowed()
    assert push(USED, repository_type="wiki") == Allowed()
    assert push(USED, changes=None) == Allowed()


def test_answer_decides() -> None:
    message = 'LFS objects are missing. Ensure LFS is properly set up or try a manual "git lfs push --all".'
    assert push(answers={LacksLFSObjects((NEW,)): True}) == Denied(Reason.LFS_OBJECTS_MISSING, message)
    assert push(answers={LacksLFSObjects((NEW,)): False}) == Allowed()
