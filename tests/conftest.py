"""What all tests share: which pass they belong to, the callers, the cast."""

import base64
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django.test.client
import hypothesis
import jwt
import pytest
from django.db import connection
from django.test import Client, TransactionTestCase
from pytest_django.fixtures import Settings
from xdist.remote import Producer

from accounts.models import User
from accounts.services import sign_in_lock
from internal_api import instance, rate_limits
from internal_api.http.requests import ServiceRequest
from internal_api.last_calls import last_calls
from internal_api.logs import JSONFormatter
from internal_api.refused_peers import refused_peers
from internal_api.service_secrets import service_secrets
from internal_api.service_tokens import KAS, SHELL, WORKHORSE
from internal_api.shared_store import shared_store
from repositories.gitaly import admission
from repositories.models import Namespace, Project
from tests import passes, scheduling
from tests.described_answers import check_answer
from tests.emptying import empty
from tests.factories import GroupFactory, ProjectFactory, UserFactory
from tests.passes import pytest_sessionfinish, pytest_terminal_summary, pytest_testnodedown  # noqa: F401  hooks
from tests.servers import migrated_template

# How long an example takes to draw or to run is the machine's doing.
hypothesis.settings.register_profile("busy machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy machine")

# The test client builds the request that the service builds, with its limits for bodies.
django.test.client.WSGIRequest = ServiceRequest  # type: ignore[attr-defined]  # not exported
_answer = Client.request


def _described_answer(client: Client, **request: Any) -> Any:
    response = _answer(client, **request)
    check_answer(request["REQUEST_METHOD"], request["PATH_INFO"], response)
    return response


# Every client of every test holds what it is answered against the API's description.
Client.request = _described_answer  # type: ignore[method-assign, assignment]  # as it, and no more

SHELL_SECRET = "the shell secret of the tests, long enough"
KAS_SECRET = base64.b64encode(bytes(range(32))).decode()
WORKHORSE_SECRET = base64.b64encode(bytes(range(32, 64))).decode()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what another pass runs, and begin with what takes long."""
    passes.select(config, items)
    items.sort(key=lambda item: scheduling.rank(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> scheduling.Units | None:
    """Spread the tests as tests/scheduling.py says."""
    return scheduling.Units(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """On PostgreSQL each parallel worker's database is a copy of one that is migrated once."""
    if passes.POSTGRESQL:
        connection.settings_dict["TEST"]["TEMPLATE"] = migrated_template(os.environ["DATABASE_URL"])


@pytest.fixture(autouse=True, scope="session")
def quick_emptying() -> Iterator[None]:
    """After a test that commits, its rows are deleted, and no table is made anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty)
        yield


@pytest.fixture(autouse=True)
def secrets(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Secret files of the tests' own; the installation's are never touched."""
    directory = Path(tmp_path_factory.getbasetemp()) / "secrets"
    if not directory.exists():
        directory.mkdir()
        (directory / "shell").write_text(SHELL_SECRET + "\n")
        (directory / "kas").write_text(KAS_SECRET + "\n")
        (directory / "workhorse").write_text(WORKHORSE_SECRET + "\n")
    settings.GITLAB_SHELL_SECRET_FILE = directory / "shell"
    settings.GITLAB_KAS_SECRET_FILE = directory / "kas"
    settings.GITLAB_WORKHORSE_SECRET_FILE = directory / "workhorse"
    settings.GITLAB_SHELL_PREVIOUS_SECRET_FILE = settings.GITLAB_KAS_PREVIOUS_SECRET_FILE = None
    settings.GITLAB_WORKHORSE_PREVIOUS_SECRET_FILE = None


@pytest.fixture(autouse=True)
def own_lfs_storage(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A directory of LFS objects for each test, made by whoever first stores something."""
    settings.LFS_STORAGE_PATH = Path(tmp_path_factory.getbasetemp()) / "lfs-objects" / uuid.uuid4().hex


@pytest.fixture(autouse=True)
def own_redis(settings: Settings) -> None:
    """Each of the parallel workers has a numbered database of its own; 0 is the running services'."""
    if settings.REDIS_URL:
        worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
        settings.REDIS_URL = f"{settings.REDIS_URL.rsplit('/', 1)[0]}/{int(worker) + 1}"


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No settings of an earlier test, whose version may be the same."""
    instance.forget()
    rate_limits.forget()
    monkeypatch.setattr(sign_in_lock, "TRUSTED_ATTEMPTS_A_MINUTE", 0)  # Redis would count over many tests
    refused_peers.forget()
    admission.forget()
    last_calls.pause()
    yield
    instance.forget()


SECRETS = re.compile(r"glpat-[\w-]{20}|eyJ[\w-]{10,}\.|AAAA[BC3-9][\w+/]{40}|glagent-[\w-]{20}|glsoat-[\w-]{20}|BEGIN [A-Z ]*PRIVATE KEY")
"""What personal, service and LFS tokens, bodies of keys, agents' and SCIM tokens and private keys look like."""


@pytest.fixture(autouse=True)
def no_secret_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a test does, no log line tells a token, a password or the body of a key."""
    yield
    for record in [*caplog.get_records("setup"), *caplog.get_records("call")]:
        line = JSONFormatter().format(record)
        assert SECRETS.search(line) is None, line
        assert SHELL_SECRET not in line


@pytest.fixture
def store(db: None) -> Any:
    """The shared store, empty: Redis where there is one, else the database."""
    kept = shared_store()
    if hasattr(kept, "client"):
        kept.client.flushdb()
    return kept


@pytest.fixture
def shell() -> Client:
    """GitLab Shell, or Gitaly: a caller that holds the shell secret."""
    return Client(headers={"gitlab-shell-api-request": SHELL.issue(service_secrets(SHELL)[0], lifetime=3600)})


@pytest.fixture
def workhorse() -> Client:
    """GitLab Workhorse, on behalf of a client without credentials."""
    return Client(headers=workhorse_headers())


def workhorse_headers() -> dict[str, str]:
    """What Workhorse adds to a request that it signs (contract: git-http 1.2): a token of the issuer alone."""
    token = jwt.encode({"iss": WORKHORSE.issuer}, service_secrets(WORKHORSE)[0], algorithm="HS256")
    return {"gitlab-workhorse-api-request": token, "gitlab-workhorse": "18.9"}


@pytest.fixture
def kas() -> Client:
    """The Kubernetes agent server."""
    return Client(headers={"gitlab-kas-api-request": KAS.issue(service_secrets(KAS)[0], lifetime=3600)})


@pytest.fixture
def stranger() -> Client:
    """Somebody without any credentials."""
    return Client()


@pytest.fixture
def ann(db: None) -> User:
    """A person, member of nothing until a test says so."""
    return UserFactory.create(username="ann")


@pytest.fixture
def acme(db: None) -> Namespace:
    """A top-level group."""
    return GroupFactory.create(path="acme")


@pytest.fixture
def rockets(acme: Namespace) -> Project:
    """A private project of acme."""
    return ProjectFactory.create(path="rockets", namespace=acme)
