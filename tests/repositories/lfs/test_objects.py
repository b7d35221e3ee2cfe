"""Storing LFS objects, the repositories they belong to, and their removal (contract: git-http 4.3, 4.4, LD11, LD12)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django.fixtures import Settings

from internal_api.clean_up import clean_up
from repositories.lfs.errors import InvalidUploadError, UnstorableObjectError
from repositories.lfs.local_storage import LocalStorage
from repositories.lfs.objects import finish_upload, remove_unlinked_objects
from repositories.lfs.selectors import find_linked_object, linked_sizes, used_storage
from repositories.models import LFSObject, LFSObjectLink, Namespace, Project
from repositories.services.project_deletion import delete_project
from tests.factories import ProjectFactory
from tests.repositories.lfs.conftest import oid_of, type_of_receive

CONTENT = b"a large picture"
OID, SIZE = oid_of(CONTENT), len(CONTENT)


@pytest.fixture
def boats(acme: Namespace) -> Project:
    return ProjectFactory.create(path="boats", namespace=acme)


def store(project: Project, receive: type_of_receive, kind: str = "project", content: bytes = CONTENT) -> None:
    finish_upload(project.pk, kind, oid_of(content), len(content), receive(content))


def test_upload_is_stored_once_and_linked_by_each_repository(
    rockets: Project, boats: Project, storage: LocalStorage, receive: type_of_receive
) -> None:
    """Contract: git-http 152."""
    for project, kind in ((rockets, "project"), (rockets, "project"), (rockets, "wiki"), (boats, "project")):
        store(project, receive, kind)
    assert list(LFSObject.objects.values_list("oid", "size")) == [(OID, SIZE)]
    assert LFSObjectLink.objects.count() == 3
    assert storage.path(OID).read_bytes() == CONTENT


def test_object_belongs_to_the_project_whose_upload_it_was_and_to_no_other(
    rockets: Project, boats: Project, receive: type_of_receive
) -> None:
    store(rockets, receive, "wiki")
    assert linked_sizes(rockets.pk, [OID, "0" * 64]) == {OID: SIZE}
    assert find_linked_object(rockets.pk, OID) is not None
    assert linked_sizes(boats.pk, [OID]) == {}
    assert find_linked_object(boats.pk, OID) is None


def test_missing_file_of_a_known_object_is_stored_again(rockets: Project, storage: LocalStorage, receive: type_of_receive) -> None:
    """Contract: git-http 154."""
    store(rockets, receive)
    storage.path(OID).unlink()
    store(rockets, receive)
    assert storage.path(OID).read_bytes() == CONTENT


@pytest.mark.parametrize("wrong", [{"sha256": "0" * 64}, {"size": 3}])
def test_upload_that_is_not_what_was_announced_is_refused(
    rockets: Project, storage: LocalStorage, receive: type_of_receive, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidUploadError, match="SHA256 or size mismatch"):
        finish_upload(rockets.pk, "project", OID, SIZE, replace(receive(CONTENT), **wrong))
    with pytest.raises(InvalidUploadError, match="SHA256 or size mismatch"):
        finish_upload(rockets.pk, "project", OID, SIZE + 1, replace(receive(CONTENT), size=SIZE + 1))
    assert not LFSObject.objects.exists()
    assert not storage.path(OID).exists()


def test_object_with_another_size_is_refused_and_nothing_changes(rockets: Project, boats: Project, receive: type_of_receive) -> None:
    """Contract: git-http 155. No two contents of different sizes have one SHA-256, so the row is altered."""
    store(rockets, receive)
    LFSObject.objects.update(size=7)
    with pytest.raises(UnstorableObjectError, match="Access forbidden"):
        store(boats, receive)
    assert LFSObject.objects.get().size == 7
    assert LFSObjectLink.objects.count() == 1


def test_objects_count_for_the_project_once_for_each_link(rockets: Project, boats: Project, receive: type_of_receive) -> None:
    Project.objects.filter(pk=rockets.pk).update(storage_size=100)
    for project, kind in ((rockets, "project"), (rockets, "project"), (rockets, "wiki"), (boats, "project")):
        store(project, receive, kind)
    rockets.refresh_from_db()
    boats.refresh_from_db()
    assert (rockets.lfs_size, boats.lfs_size) == (2 * SIZE, SIZE)
    assert used_storage(rockets.namespace_id) == 100 + 3 * SIZE


def test_namespace_is_over_its_limit_as_soon_as_an_object_is_stored(rockets: Project, receive: type_of_receive) -> None:
    Namespace.objects.filter(pk=rockets.namespace_id).update(storage_limit=SIZE)
    store(rockets, receive)
    assert not Namespace.objects.get(pk=rockets.namespace_id).over_storage_limit
    store(rockets, receive, content=b"more")
    assert Namespace.objects.get(pk=rockets.namespace_id).over_storage_limit


def test_object_stays_while_a_project_has_it_and_for_the_grace_period(
    rockets: Project, boats: Project, storage: LocalStorage, receive: type_of_receive
) -> None:
    """Contract: git-http 164."""
    for project in (rockets, boats):
        store(project, receive)
    LFSObject.objects.update(last_linked_at=timezone.now() - timedelta(days=30))
    delete_project(rockets)
    clean_up()
    assert storage.path(OID).exists()
    delete_project(boats)
    assert not LFSObjectLink.objects.exists()
    clean_up()  # the grace period began when the project was deleted
    assert storage.path(OID).exists()
    assert remove_unlinked_objects(timezone.now() + timedelta(days=6, hours=23)) == 0
    assert remove_unlinked_objects(timezone.now() + timedelta(days=7)) == 1
    assert not storage.path(OID).exists()
    assert not LFSObject.objects.exists()


def test_grace_period_can_be_none(rockets: Project, storage: LocalStorage, receive: type_of_receive, settings: Settings) -> None:
    settings.LFS_OBJECT_GRACE_DAYS = 0
    store(rockets, receive)
    delete_project(rockets)
    assert clean_up()["LFS objects"] == 1
    assert not storage.path(OID).exists()


def test_upload_within_the_grace_period_keeps_the_object(rockets: Project, boats: Project, receive: type_of_receive) -> None:
    store(rockets, receive)
    delete_project(rockets)
    LFSObject.objects.update(last_linked_at=timezone.now() - timedelta(days=30))
    store(boats, receive)
    assert LFSObject.objects.get().last_linked_at > timezone.now() - timedelta(minutes=5)
    assert remove_unlinked_objects(timezone.now()) == 0


def test_project_that_is_gone_gets_no_object(rockets: Project, receive: type_of_receive) -> None:
    project_id = rockets.pk
    delete_project(rockets)
    with pytest.raises(UnstorableObjectError):
        finish_upload(project_id, "project", OID, SIZE, receive(CONTENT))
    assert not LFSObjectLink.objects.exists()


@pytest.mark.parametrize("fields", [{"oid": "0" * 63, "size": 1}, {"oid": "0" * 64, "size": -1}])
def test_database_refuses_objects_that_cannot_be(db: None, fields: dict[str, object]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        LFSObject.objects.create(**fields)


def test_database_refuses_a_second_link_and_an_unknown_repository(rockets: Project, receive: type_of_receive) -> None:
    store(rockets, receive)
    for kind in ("project", "design"):
        with pytest.raises(IntegrityError), transaction.atomic():
            LFSObjectLink.objects.create(lfs_object=LFSObject.objects.get(), project=rockets, repository_type=kind)
