"""The recordings sent to gunicorn: what a server does to requests before Django sees them."""

import os
import shutil
from collections.abc import Iterator

import pytest
import yaml

from tests.conftest import KAS_SECRET
from tests.gitaly_server import FakeGitaly
from tests.live.service import Service, temporary_directory
from tests.recordings.exchanges import load, names
from tests.recordings.replaying import HTTPService, Replay, Secrets, Storage, seed_document

pytestmark = [pytest.mark.live]

LEFT_OUT = {"shell-rate-limited"}
"""The clock of another process cannot be moved; test_replay.py has it."""
FIRST = ["kas-authorize-before-configuration"]
"""What asks for a state that other recordings change."""
LAST = ["shell-renamed", "shell-audit"]
"""What leaves a notice for ann's next push, and what turns auditing on."""


def in_order() -> list[str]:
    """Return the names in an order in which one database does for all."""
    return [*FIRST, *sorted({*names()} - LEFT_OUT - {*FIRST, *LAST}), *LAST]


@pytest.fixture
def gunicorn(gitaly: FakeGitaly) -> Iterator[Service]:
    """A running service with the state that recordings start from."""
    directory = temporary_directory()
    variables = {
        "EXTERNAL_URL": "https://gitlab.example.com",
        "SSH_URL": "ssh://git@gitlab.example.com",
    }
    if redis := os.environ.get("REDIS_URL"):
        variables["REDIS_URL"] = f"{redis.rsplit('/', 1)[0]}/15"  # nobody else's
    service = Service(directory, variables=variables)
    (directory / "kas_secret").write_text(KAS_SECRET)
    (directory / "kas_secret").chmod(0o600)
    service.migrate()
    document = seed_document()
    document["storages"][0]["gitaly_address"] = gitaly.address
    Storage(gitaly.path_of("default", "")).restore()
    service.seed(document)
    service.start()
    yield service
    service.stop()
    shutil.rmtree(directory)


def test_gunicorn_answers_every_recording_as_it_was(gunicorn: Service, gitaly: FakeGitaly) -> None:
    secrets = Secrets(gunicorn.shell_secret.read_bytes().strip(), KAS_SECRET.encode())
    storage = Storage(gitaly.path_of("default", ""))
    problems: list[str] = []
    for name in in_order():
        recording = load(name)
        if recording.extra_seed:
            gunicorn.seed(yaml.safe_load(recording.extra_seed))
        replay = Replay(
            recording,
            HTTPService(f"127.0.0.1:{gunicorn.port}"),
            secrets,
            storage,
            gitaly.address.removeprefix("unix:"),
            lambda seconds: None,
        )
        replay.run()
        problems += replay.problems
    assert not problems, "\n".join(problems)
