"""POST info/lfs/objects/batch, and what was there before it (contract: git-http 3.3 to 3.6)."""

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from git_http.decisions import repository_named
from git_http.errors import UnauthenticatedError
from git_http.lfs_api.access import DOWNLOAD, UPLOAD, LFSAccess, admitted, identify, require_access
from git_http.lfs_api.actions import OBJECT_MISSING, Actions, actions_for, entry_problem, failed, type_of_entry
from git_http.lfs_api.bodies import read_entries, read_object
from git_http.lfs_api.errors import DeprecatedAPIError, LFSDisabledError, LFSForbiddenError, LFSNotFoundError, StorageLimitError
from git_http.lfs_api.responses import LFSResponse
from git_http.lfs_api.views.base import LFSViewSet, plain_request
from internal_api.errors import DomainError
from repositories.lfs.quota import find_limit_problem
from repositories.lfs.selectors import linked_sizes

_ACTIONS = {"download": DOWNLOAD, "upload": UPLOAD}


class BatchViewSet(LFSViewSet):
    """Tells a client for each of its objects where the bytes go or come from; a fixed number of queries, whatever their number."""

    metric = "batch"

    def create(self, request: Request, path: str) -> HttpResponse:
        plain = plain_request(request)
        caller = identify(plain, path)
        body, problem = _read(request)
        operation = body.get("operation")
        action = _ACTIONS.get(operation) if isinstance(operation, str) else None
        access = require_access(plain, caller, path, action or DOWNLOAD)
        if problem is not None:
            raise problem
        try:
            entries = read_entries(body)
        except LookupError:
            raise LFSNotFoundError from None
        if action is None:
            raise LFSForbiddenError
        serve = _upload if action == UPLOAD else _download
        return LFSResponse({"objects": serve(access, entries)})


def _read(request: Request) -> tuple[dict[str, Any], DomainError | None]:
    """Return the body, or what is wrong with it, which only those are told who may know of the repository."""
    try:
        return read_object(plain_request(request)), None
    except DomainError as error:
        return {}, error


def _download(access: LFSAccess, entries: list[type_of_entry]) -> list[type_of_entry]:
    linked, actions = _linked(access, entries), actions_for(access)
    return [_downloaded(actions, entry, linked) for entry in entries]


def _downloaded(actions: Actions, entry: type_of_entry, linked: dict[str, int]) -> type_of_entry:
    problem = entry_problem(entry)
    if problem is not None:
        return failed(entry, 422, problem)
    return actions.download(entry) if entry["oid"] in linked else failed(entry, 404, OBJECT_MISSING)


def _upload(access: LFSAccess, entries: list[type_of_entry]) -> list[type_of_entry]:
    linked = _linked(access, entries)
    new = {entry["oid"]: entry["size"] for entry in entries if entry_problem(entry) is None and entry["oid"] not in linked}
    problem = find_limit_problem(access.project, sum(new.values())) if new else None
    if problem is not None:
        raise StorageLimitError(problem)
    actions = actions_for(access) if new else None
    return [_uploaded(actions, entry, linked) for entry in entries]


def _uploaded(actions: Actions | None, entry: type_of_entry, linked: dict[str, int]) -> type_of_entry:
    problem = entry_problem(entry)
    if problem is not None:
        return failed(entry, 422, problem)
    return entry if actions is None or entry["oid"] in linked else actions.upload(entry)


def _linked(access: LFSAccess, entries: list[type_of_entry]) -> dict[str, int]:
    return linked_sizes(access.project.id, {entry["oid"] for entry in entries if entry_problem(entry) is None})


class DeprecatedViewSet(LFSViewSet):
    """What git-lfs asked before version 1: 501 for whoever authenticates (contract: git-http 3.6)."""

    metric = "deprecated"

    def refuse(self, request: Request, path: str, oid: str = "") -> HttpResponse:
        caller = identify(plain_request(request), path)
        if caller.is_anonymous:
            raise UnauthenticatedError
        facts = admitted(caller, caller.check(repository_named(path), DOWNLOAD, is_lfs=True))
        raise DeprecatedAPIError if facts.settings.lfs_enabled else LFSDisabledError
