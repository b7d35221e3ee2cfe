"""File locks below info/lfs/locks (contract: git-http 5, LD16)."""

from collections.abc import Iterable, Mapping
from datetime import UTC
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from git_http.lfs_api.access import DOWNLOAD, UPLOAD, LFSAccess
from git_http.lfs_api.bodies import read_object
from git_http.lfs_api.errors import NO_PERMISSIONS, LFSForbiddenError
from git_http.lfs_api.responses import LFSResponse, error_body
from git_http.lfs_api.views.base import LFSViewSet, plain_request
from internal_api.errors import BadRequestError
from internal_api.parameters import LARGEST_ID, query_of
from repositories.lfs.errors import AlreadyLockedError, InvalidLockPathError, LockNotFoundError
from repositories.lfs.locks import Unlocker, create_lock, remove_lock
from repositories.lfs.selectors import find_locks
from repositories.models import LFSLock
from repositories.policy import User
from repositories.policy.abilities import can_administer

MOST_LOCKS = 100
_NO_ID = 0
"""The id of no lock."""


class LocksViewSet(LFSViewSet):
    """Lists locks and makes one."""

    metric = "locks"

    def list(self, request: Request, path: str) -> HttpResponse:
        access = self.access(request, path, DOWNLOAD)
        locks, following = _page(access, query_of(plain_request(request)))
        return LFSResponse({"locks": [_lock(lock) for lock in locks]} | following)

    def create(self, request: Request, path: str) -> HttpResponse:
        access = self.access(request, path, UPLOAD)
        user = _person(access)
        locked = read_object(plain_request(request)).get("path")
        if not isinstance(locked, str):
            raise InvalidLockPathError("path must be a string")
        try:
            lock = create_lock(access.project.id, locked, user.id)
        except AlreadyLockedError as error:
            return LFSResponse(error_body(error, lock=_lock(error.lock)), HTTPStatus.CONFLICT)
        return LFSResponse({"lock": _lock(lock)}, HTTPStatus.CREATED)


class VerifyLocksViewSet(LFSViewSet):
    """The caller's locks and those of others: git-lfs refuses to push files that others have locked."""

    metric = "verify"

    def create(self, request: Request, path: str) -> HttpResponse:
        access = self.access(request, path, UPLOAD)
        body = read_object(plain_request(request))
        locks, following = _page(access, {**query_of(plain_request(request)), **body})
        user_id = access.user.id if access.user is not None else None
        ours = [_lock(lock) for lock in locks if lock.owner_id == user_id]
        theirs = [_lock(lock) for lock in locks if lock.owner_id != user_id]
        return LFSResponse({"ours": ours, "theirs": theirs} | following)


class UnlockViewSet(LFSViewSet):
    """Removes a lock."""

    metric = "unlock"

    def create(self, request: Request, path: str, lock_id: str) -> HttpResponse:
        access = self.access(request, path, UPLOAD)
        user = _person(access)
        force = read_object(plain_request(request)).get("force") is True
        number = _id_of(lock_id)
        if number is None:
            raise LockNotFoundError
        unlocker = Unlocker(user.id, is_maintainer=can_administer(user))
        return LFSResponse({"lock": _lock(remove_lock(access.project.id, number, unlocker, force=force))})


def _person(access: LFSAccess) -> User:
    """Return the user; a deploy key owns no lock."""
    if access.user is None:
        raise LFSForbiddenError(NO_PERMISSIONS)
    return access.user


def _lock(lock: LFSLock) -> dict[str, Any]:
    locked_at = lock.locked_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"id": str(lock.pk), "path": lock.path, "locked_at": locked_at, "owner": {"name": lock.owner.username}}


def _page(access: LFSAccess, values: Mapping[str, Any]) -> tuple[Iterable[LFSLock], dict[str, str]]:
    """Return the locks that are asked for, and the cursor of the next page where there is one. Raises BadRequestError."""
    given = {name: value for name, value in values.items() if value not in (None, "")}
    cursor = _id_of(given["cursor"]) if "cursor" in given else None
    if "cursor" in given and cursor is None:
        raise BadRequestError("cursor must be the next_cursor of a page")
    path = given.get("path")
    if path is not None and not isinstance(path, str):
        raise BadRequestError("path must be a string")
    lock_id = (_id_of(given["id"]) or _NO_ID) if "id" in given else None
    locks, following = find_locks(access.project.id, lock_id=lock_id, path=path, cursor=cursor, limit=_limit(given.get("limit")))
    return locks, {} if following is None else {"next_cursor": str(following)}


def _limit(value: Any) -> int:
    """Return how many locks a page has: as many as are asked for, from 1 to MOST_LOCKS."""
    number = _id_of(value) if value is not None else MOST_LOCKS
    if number is None:
        raise BadRequestError(f"limit must be a number from 1 to {MOST_LOCKS}")
    return max(1, min(number, MOST_LOCKS))


def _id_of(value: Any) -> int | None:
    """Return the number that a client sends, as digits or as an integer; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < len(str(LARGEST_ID)):
        return int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= LARGEST_ID else None
