"""Whatever a test asks, each denial it meets has the reason that belongs to its text: reasons decide the status, the metrics, the log."""

import re
from collections.abc import Iterator

import pytest

from repositories.policy import Denied, Reason


def _pattern(text: str) -> re.Pattern[str]:
    """Of a text whose places are filled."""
    return re.compile(re.sub(r"\\\{\w+\\\}", ".*", re.escape(text)), re.DOTALL)


TEXTS = {reason: [_pattern(text) for text in (reason.message, *reason.other_messages)] for reason in Reason}


@pytest.fixture(autouse=True)
def reasons_fit_their_texts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    made: list[Denied] = []
    original = Denied.__init__

    def remember(denied: Denied, reason: Reason, message: str) -> None:
        original(denied, reason, message)
        made.append(denied)

    monkeypatch.setattr(Denied, "__init__", remember)
    yield
    for denied in made:
        fitting = {reason for reason, patterns in TEXTS.items() if any(pattern.fullmatch(denied.message) for pattern in patterns)}
        if fitting:  # a text of an administrator's own fits none
            assert denied.reason in fitting, denied
