"""How many SQL statements the requests of Git LFS take: those of a pre-authorisation are the policy's one and one for who asks."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from accounts.models import User
from repositories.models import Project
from tests.factories import SSHKeyFactory
from tests.git_http.lfs_api.conftest import CONTENT, LFS, OID, content, entries
from tests.git_http.lfs_api.test_batch import lfs_token
from tests.repositories.lfs.conftest import oid_of

type_of_pat = Callable[..., str]
type_of_link = Callable[..., None]


@pytest.fixture(autouse=True)
def _without_redis(settings: Settings) -> None:
    """The state of a client's address is read with its token."""
    settings.REDIS_URL = ""


@pytest.fixture
def warm(lfs: LFS, pat: type_of_pat) -> str:
    """A personal access token whose use of today is noted."""
    header = pat("ann")
    lfs.batch("download", header)
    return header


def test_upload_is_authorized_with_one_query_more_than_allowed_takes(
    lfs: LFS, warm: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """The look-up of the token, with the state of the client's address in it, and the decision."""
    with django_assert_num_queries(2):
        assert lfs.authorize(warm).status_code == 200


def test_lfs_token_is_looked_up_by_its_owner_and_repository(
    lfs: LFS, shell: Client, people: dict[str, User], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    """It is not stored: its owner, the repository that it is for and the key that it was got with are read, then it is decided."""
    header = lfs_token(shell, key_id=SSHKeyFactory.create(user=people["ann"]).pk, project="gnuwget/wget2")
    lfs.authorize(header)
    with django_assert_max_num_queries(6):
        assert lfs.authorize(header).status_code == 200


@pytest.mark.parametrize("number", [1, 1000])
@pytest.mark.parametrize("operation", ["download", "upload"])
def test_batch_takes_as_many_queries_for_thousand_objects_as_for_one(
    lfs: LFS, warm: str, django_assert_num_queries: DjangoAssertNumQueries, operation: str, number: int
) -> None:
    """Contract: git-http 3.4: who asks, the decision, which objects are linked, and the owner of the token in the answer."""
    asked = [(oid_of(str(one).encode()), one) for one in range(number)]
    with django_assert_num_queries(5):
        assert len(entries(lfs.batch(operation, warm, *asked))) == number


def test_object_that_everybody_may_download_takes_three_queries(
    lfs: LFS, link: type_of_link, project8: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    link(project8)
    with django_assert_num_queries(3):
        assert content(lfs.at("pub/lic").get(f"gitlab-lfs/objects/{OID}")) == CONTENT


def test_upload_is_stored_with_a_fixed_number_of_queries(
    lfs: LFS,
    warm: str,
    receive: Callable[..., dict[str, str]],
    link: type_of_link,
    project7: Project,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    """However many objects the project has: the row, the link and the project's size are written in place."""
    for number in range(5):
        link(project7, str(number).encode())
    told: Any = receive()
    with django_assert_max_num_queries(16):
        assert lfs.finalize(warm, told=told).status_code == 200
