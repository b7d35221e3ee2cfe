"""Whatever a test asks, each denial it meets has the reason that belongs to its text: reasons decide the status, the metrics, the log."""

import re
from collections.abc import Iterator

import pytest

from repositories.policy import Denied, Reason, messages

# Where a text is not named like its reason.
OTHERS = {
    "KEY_PROBLEM": {"KEY_TOO_WEAK"},
    "NO_WIKI_REPOSITORY": {"NO_REPOSITORY"},
    "WIKI_DOWNLOAD_NOT_ALLOWED": {"DOWNLOAD_NOT_ALLOWED"},
    "NO_DEFAULT_BRANCH_YET": {"PROTECTED_BRANCH_PUSH"},
    "PROJECT_NOT_FOUND": {"PROJECT_NOT_FOUND", "ADDRESS_NOT_ALLOWED", "NAMESPACE_ARCHIVED", "PROJECTS_LIMIT_REACHED"},
    "WIKI_NOT_FOUND": {"WIKI_NOT_FOUND", "ADDRESS_NOT_ALLOWED"},
    "WIKI_NOT_WRITABLE": {"WIKI_NOT_WRITABLE", "STORAGE_LIMIT_REACHED"},
}
TEXTS = {
    name: re.compile(re.sub(r"\\\{\w+\\\}", ".*", re.escape(text)), re.DOTALL)
    for name, text in vars(messages).items()
    if name.isupper() and isinstance(text, str)
}


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
        names = {name for name, pattern in TEXTS.items() if pattern.fullmatch(str(denied.message))}
        if names:  # a text of an administrator's own has no name
            assert isinstance(denied.reason, Reason), denied
            assert denied.reason.name in set().union(*(OTHERS.get(name, {name}) for name in names)), denied
