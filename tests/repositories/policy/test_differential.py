"""The policy agrees with a second, naive reading of the contract in tens of thousands of situations.

The situations are the same in each run. `DIFFERENTIAL_SEED=7` draws others, and
`DIFFERENTIAL_NUMBER=100000` more of each kind: what a change of the rules is tried with.
"""

import os
from dataclasses import fields, is_dataclass
from random import Random
from typing import Any

import pytest

from repositories.policy import AccessRequest, Allowed, CreateProject, Denied, NeedsGit, Reason, Verdict, decide
from tests.repositories.policy.naive_reading import (
    ALLOWED,
    CREATE_PROJECT,
    DENIED,
    NEEDS_GIT,
    Reading,
    read_contract,
)
from tests.repositories.policy.situations import SITUATIONS, Choices, Drawn

SEED = os.environ.get("DIFFERENTIAL_SEED", "1")
NUMBER = int(os.environ.get("DIFFERENTIAL_NUMBER", "5000"))
DELETION = "The default branch of a project cannot be deleted."

decide_by_policy = decide


def policy_says(request: AccessRequest) -> Reading:
    """Return the policy's verdict in the form of the reading."""
    verdict = decide_by_policy(request)
    match verdict:
        case Allowed():
            return Reading(ALLOWED)
        case CreateProject():
            return Reading(CREATE_PROJECT)
        case Denied(reason, message):
            return Reading(DENIED, reason.value, message)
        case NeedsGit(questions):
            return Reading(NEEDS_GIT, questions=frozenset(questions))


def described(value: Any) -> str:
    """Return a situation without what is as by default, for people to read."""
    if not is_dataclass(value) or isinstance(value, type):
        return repr(value) if not isinstance(value, tuple) else f"({', '.join(map(described, value))})"
    told = [
        f"{field.name}={described(getattr(value, field.name))}"
        for field in fields(value)
        if field.repr and getattr(value, field.name) != field.default
    ]
    return f"{type(value).__name__}({', '.join(told)})"


def difference(request: AccessRequest) -> str | None:
    """Return where the two readings differ, or None."""
    policy, contract = policy_says(request), read_contract(request)
    if policy == contract:
        return None
    return f"situation {described(request)}\n  policy   {policy}\n  contract {contract}"


def smallest(draw: Drawn[AccessRequest], picks: list[int]) -> str | None:
    """Return the difference of the plainest situation found by lowering one pick after another."""
    at = 0
    while at < len(picks):
        for lower in range(picks[at]):
            choices = Choices(repeated=[*picks[:at], lower, *picks[at + 1 :]])
            if difference(draw(choices)) is not None:
                picks, at = choices.picks, -1  # what comes before may be lowered now
                break
        at += 1
    return difference(draw(Choices(repeated=picks)))


@pytest.mark.once
@pytest.mark.parametrize("kind", SITUATIONS)
def test_policy_agrees_with_a_naive_reading_of_the_contract(kind: str) -> None:
    draw, random = SITUATIONS[kind], Random(f"{kind} {SEED}")  # noqa: S311  situations, not secrets
    for _ in range(NUMBER):
        choices = Choices(random)
        if difference(draw(choices)) is not None:
            pytest.fail(f"seed {SEED}, {kind}: {smallest(draw, choices.picks)}", pytrace=False)


def test_a_difference_is_told_by_the_smallest_situation(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy that lets everybody delete default branches differs by one change and no rule."""

    def lenient(request: AccessRequest) -> Verdict:
        verdict = decide(request)
        return Allowed() if verdict == Denied(Reason.DEFAULT_BRANCH_DELETION, DELETION) else verdict

    monkeypatch.setitem(globals(), "decide_by_policy", lenient)
    with pytest.raises(pytest.fail.Exception) as failure:
        test_policy_agrees_with_a_naive_reading_of_the_contract("branches")
    told = str(failure.value)
    assert told.count("Change(") == 1
    assert "BranchRule(" not in told
    assert DELETION in told
