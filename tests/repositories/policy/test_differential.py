"""The policy agrees with a second, naive reading of the contract in some ten thousand situations.

The situations are the same in each run. `DIFFERENTIAL_SEED=7` draws others, and
`DIFFERENTIAL_EXAMPLES=100000` more of each kind: what a change of the rules is tried with.
"""

import os
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings

from repositories.policy import Allowed, CreateProject, Denied, NeedsGit, Request, decide
from tests.repositories.policy.naive_reading import (
    ALLOWED,
    CREATE_PROJECT,
    DENIED,
    NEEDS_GIT,
    Reading,
    read_contract,
)
from tests.repositories.policy.situations import SITUATIONS

SEED = os.environ.get("DIFFERENTIAL_SEED")
EXAMPLES = int(os.environ.get("DIFFERENTIAL_EXAMPLES", "750"))


def policy_says(request: Request) -> Reading:
    """Return the policy's verdict in the form of the reading."""
    verdict = decide(request)
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


@pytest.mark.once
@pytest.mark.parametrize("kind", SITUATIONS)
def test_policy_agrees_with_a_naive_reading_of_the_contract(kind: str) -> None:
    @settings(
        max_examples=EXAMPLES,
        derandomize=SEED is None,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(SITUATIONS[kind])
    def agrees(request: Request) -> None:
        policy, contract = policy_says(request), read_contract(request)
        if policy != contract:
            raise AssertionError(
                f"the policy and the naive reading of the contract differ:\n"
                f"  situation {described(request)}\n  policy    {policy}\n  contract  {contract}"
            )

    (agrees if SEED is None else seed(int(SEED))(agrees))()
