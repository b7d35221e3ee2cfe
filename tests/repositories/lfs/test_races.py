"""Two at once, with real threads on PostgreSQL: one object uploaded twice, one path locked twice, an upload during clean-up."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import User
from repositories.lfs import objects
from repositories.lfs.errors import AlreadyLockedError
from repositories.lfs.local_storage import LocalStorage
from repositories.lfs.locks import create_lock
from repositories.lfs.objects import finish_upload, remove_unlinked_objects
from repositories.models import LFSLock, LFSObject, LFSObjectLink, Namespace, Project
from tests.factories import ProjectFactory
from tests.repositories.lfs.conftest import oid_of, type_of_receive
from tests.test_races import GUARD, THREADS, at_once

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]
CONTENT = b"a large picture"
OID, SIZE = oid_of(CONTENT), len(CONTENT)


def test_one_object_uploaded_several_times_at_once_is_stored_once_and_every_upload_succeeds(
    rockets: Project, storage: LocalStorage, receive: type_of_receive
) -> None:
    uploads = [receive(CONTENT) for _ in range(THREADS)]
    assert at_once(lambda number: finish_upload(rockets.pk, "project", OID, SIZE, uploads[number])) == [None] * THREADS
    assert LFSObject.objects.count() == LFSObjectLink.objects.count() == 1
    assert Project.objects.get(pk=rockets.pk).lfs_size == SIZE
    assert storage.path(OID).read_bytes() == CONTENT


def test_one_object_uploaded_for_several_projects_at_once_is_counted_for_each(
    rockets: Project, acme: Namespace, receive: type_of_receive
) -> None:
    Namespace.objects.filter(pk=acme.pk).update(storage_limit=SIZE)
    projects = [ProjectFactory.create(path=f"p{number}", namespace=acme) for number in range(THREADS)]
    uploads = [receive(CONTENT) for _ in range(THREADS)]
    at_once(lambda number: finish_upload(projects[number].pk, "project", OID, SIZE, uploads[number]))
    assert LFSObject.objects.count() == 1
    assert set(Project.objects.exclude(pk=rockets.pk).values_list("lfs_size", flat=True)) == {SIZE}
    assert Namespace.objects.get(pk=acme.pk).over_storage_limit


def test_one_path_is_locked_by_one_of_several(rockets: Project, ann: User) -> None:
    told = at_once(lambda _: create_lock(rockets.pk, "a.bin", ann.pk))
    lock = LFSLock.objects.get()
    assert sorted(type(one).__name__ for one in told) == ["AlreadyLockedError"] * (THREADS - 1) + ["LFSLock"]
    assert {one.lock if isinstance(one, AlreadyLockedError) else one for one in told} == {lock}


@pytest.mark.parametrize("moment", ["before it is stored", "before it is linked"])
def test_clean_up_during_an_upload_loses_nothing(
    rockets: Project,
    storage: LocalStorage,
    receive: type_of_receive,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    """Even without a grace period, in which the row that the upload has just made would be removed."""
    settings.LFS_OBJECT_GRACE_DAYS = 0
    removed: list[int] = []

    def clean_up() -> None:
        try:
            removed.append(remove_unlinked_objects(timezone.now()))
        finally:
            connection.close()

    def interrupted(step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            if not removed:
                thread = threading.Thread(target=clean_up)
                thread.start()
                thread.join(GUARD)
            return step(*args, **kwargs)

        return run

    if moment == "before it is stored":
        monkeypatch.setattr(LocalStorage, "store", interrupted(LocalStorage.store))
    else:
        monkeypatch.setattr(objects, "_link", interrupted(objects._link))  # noqa: SLF001  between two steps of it
    finish_upload(rockets.pk, "project", OID, SIZE, receive(CONTENT))
    assert removed == [1]
    assert LFSObjectLink.objects.get().lfs_object.oid == OID
    assert storage.path(OID).read_bytes() == CONTENT
