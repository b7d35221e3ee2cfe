"""File locks: who may remove which, and pages of them (contract: git-http 5)."""

import pytest
from django.db import IntegrityError, transaction

from accounts.models import User
from internal_api.models import AuditEvent
from repositories.lfs.errors import AlreadyLockedError, ForeignLockError, InvalidLockPathError, LockNotFoundError
from repositories.lfs.locks import Unlocker, create_lock, remove_lock
from repositories.lfs.selectors import find_locks
from repositories.models import LFSLock, Project
from tests.factories import ProjectFactory, UserFactory


def test_path_is_locked_once(rockets: Project, ann: User) -> None:
    lock = create_lock(rockets.pk, "a.bin", ann.pk)
    assert (lock.path, lock.owner.username) == ("a.bin", "ann")
    with pytest.raises(AlreadyLockedError, match="already locked") as refused:
        create_lock(rockets.pk, "a.bin", UserFactory.create(username="max").pk)
    assert refused.value.lock == lock
    other = ProjectFactory.create(path="boats", namespace=rockets.namespace)
    create_lock(other.pk, "a.bin", ann.pk)


@pytest.mark.parametrize("path", ["", "  ", "x" * 512, "a\0b"])
def test_path_that_cannot_be_locked_is_refused(rockets: Project, ann: User, path: str) -> None:
    with pytest.raises(InvalidLockPathError, match=r"^path "):
        create_lock(rockets.pk, path, ann.pk)
    create_lock(rockets.pk, "x" * 511, ann.pk)


def test_owner_removes_a_lock_and_others_do_not(rockets: Project, ann: User) -> None:
    lock = create_lock(rockets.pk, "a.bin", ann.pk)
    other = UserFactory.create(username="max").pk
    with pytest.raises(ForeignLockError, match=r"^'a\.bin' is locked by @ann$"):
        remove_lock(rockets.pk, lock.pk, Unlocker(other, is_maintainer=True), force=False)
    with pytest.raises(ForeignLockError, match="You must have maintainer access to force delete a lock"):
        remove_lock(rockets.pk, lock.pk, Unlocker(other, is_maintainer=False), force=True)
    removed = remove_lock(rockets.pk, lock.pk, Unlocker(ann.pk, is_maintainer=False), force=False)
    assert (removed.pk, removed.path, removed.owner) == (lock.pk, "a.bin", ann)
    with pytest.raises(LockNotFoundError, match="Lock not found"):
        remove_lock(rockets.pk, lock.pk, Unlocker(ann.pk, is_maintainer=False), force=False)


def test_maintainer_removes_a_lock_by_force(rockets: Project, ann: User) -> None:
    lock = create_lock(rockets.pk, "a.bin", ann.pk)
    remove_lock(rockets.pk, lock.pk, Unlocker(UserFactory.create(username="max").pk, is_maintainer=True), force=True)
    assert not LFSLock.objects.exists()


def test_lock_of_another_project_is_not_found(rockets: Project, ann: User) -> None:
    """Contract: git-http 182."""
    other = ProjectFactory.create(path="boats", namespace=rockets.namespace)
    lock = create_lock(other.pk, "a.bin", ann.pk)
    with pytest.raises(LockNotFoundError):
        remove_lock(rockets.pk, lock.pk, Unlocker(ann.pk, is_maintainer=True), force=True)


def test_locks_leave_audit_events(rockets: Project, ann: User) -> None:
    lock = create_lock(rockets.pk, "a.bin", ann.pk)
    remove_lock(rockets.pk, lock.pk, Unlocker(ann.pk, is_maintainer=False), force=False)
    told = AuditEvent.objects.filter(entity_type="LFSLock").order_by("pk").values_list("action", "entity_path")
    assert list(told) == [("lfs_lock_created", "acme/rockets: a.bin"), ("lfs_lock_removed", "acme/rockets: a.bin")]


def test_pages_are_in_the_order_of_ids(rockets: Project, ann: User) -> None:
    ids = [create_lock(rockets.pk, path, ann.pk).pk for path in ("c", "a", "b")]
    page, following = find_locks(rockets.pk, limit=2)
    assert ([lock.pk for lock in page], following) == (ids[:2], ids[2])
    page, following = find_locks(rockets.pk, cursor=following, limit=2)
    assert ([lock.path for lock in page], following) == (["b"], None)
    assert [lock.path for lock in find_locks(rockets.pk, path="a", limit=1)[0]] == ["a"]
    assert [lock.path for lock in find_locks(rockets.pk, lock_id=ids[0], limit=1)[0]] == ["c"]


def test_database_refuses_a_second_lock_and_a_blank_path(rockets: Project, ann: User) -> None:
    create_lock(rockets.pk, "a.bin", ann.pk)
    for path in ("a.bin", " "):
        with pytest.raises(IntegrityError), transaction.atomic():
            LFSLock.objects.create(project=rockets, path=path, owner=ann)
