"""Every recording is sent to the service again, and every answer is the recorded one."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from pytest_django.fixtures import Settings

from internal_api import rate_limits
from internal_api.http.wsgi import ServiceHandler
from internal_api.seeding.documents import parse
from internal_api.seeding.engine import seed
from tests.conftest import KAS_SECRET, SHELL_SECRET
from tests.factories import database_judges
from tests.gitaly_server import FakeGitaly
from tests.recordings.differences import DIFFERENCES
from tests.recordings.exchanges import DIRECTORY, load, names
from tests.recordings.replaying import Replay, Secrets, Storage, WSGIService, seed_document

SECRETS = Secrets(SHELL_SECRET.encode(), KAS_SECRET.encode())


@dataclass
class Clock:
    """The time that rate limits go by."""

    now: float = 1_800_000_000

    def time(self) -> float:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands at the start of a minute until a recording moves it."""
    clock = Clock()
    monkeypatch.setattr(rate_limits, "time", SimpleNamespace(time=clock.time))
    return clock


@pytest.mark.parametrize("name", names())
@pytest.mark.django_db(transaction=True, reset_sequences=True)
def test_a_recording_is_answered_as_it_was(name: str, store: object, gitaly: FakeGitaly, clock: Clock, settings: Settings) -> None:
    settings.EXTERNAL_URL = "https://gitlab.example.com"
    settings.EXTERNAL_HOST = "gitlab.example.com"
    settings.SSH_URL = "ssh://git@gitlab.example.com"
    recording, storage = load(name), Storage(gitaly.path_of("default", ""))
    storage.restore()
    document = seed_document()
    document["storages"][0]["gitaly_address"] = gitaly.address
    with database_judges():
        seed([document, parse(recording.extra_seed or "{}")])
    service = WSGIService(ServiceHandler())
    socket = gitaly.address.removeprefix("unix:")
    replay = Replay(recording, service, SECRETS, storage, socket, clock.tick)
    replay.run()
    assert not replay.problems, "\n".join(replay.problems)
    assert replay.sent == [one.number for one in recording.exchanges if not one.is_injected]
    needed = [row for row in DIFFERENCES if any(row.concerns(f"{name}:{one.number}", row.part) for one in recording.exchanges)]
    assert all(row in replay.used for row in needed if not row.lines.endswith("*"))


def test_every_file_here_is_a_recording_that_is_replayed() -> None:
    """A file that is added without being replayed is noticed, and so is an empty one."""
    others = {"README.md", "seed.yaml", "wget2.bundle"}
    files = {path.name for path in DIRECTORY.iterdir() if path.suffix not in {".py", ""}}
    assert files - others == {f"{name}.jsonl" for name in names()}
    assert all(load(name).exchanges for name in names())
