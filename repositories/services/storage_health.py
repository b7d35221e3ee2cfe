"""Asking a storage's Gitaly how it is."""

from dataclasses import dataclass

from repositories.models import Storage

_START = "Start Gitaly, or correct the storage's gitaly_address; the service must be allowed to connect."
_SHARE = "Give the storage the token of Gitaly's [auth] section as gitaly_token, and let both machines follow NTP."
_STORAGE = "Let Gitaly's [[storage]] have this name, with a path that it may write to."


@dataclass(frozen=True, slots=True)
class StorageHealth:
    """An empty `problem` when all is well; `advice` says what to do otherwise."""

    version: str = ""
    problem: str = ""
    advice: str = ""


def storage_health(storage: Storage, seconds: float) -> StorageHealth:
    """Whether Gitaly answers within so many seconds, accepts the token, and can use the storage."""
    from repositories.gitaly.client import GitalyClient  # noqa: PLC0415  gRPC is loaded by those who need it
    from repositories.gitaly.errors import GitalyError, GitalyRefusedError  # noqa: PLC0415  likewise
    from repositories.gitaly.values import StorageAddress  # noqa: PLC0415  likewise

    try:
        info = GitalyClient(StorageAddress(storage.name, storage.gitaly_address, storage.gitaly_token or None)).server_info(seconds=seconds)
    except GitalyRefusedError as error:
        return StorageHealth(problem=str(error), advice=_SHARE)
    except GitalyError as error:
        return StorageHealth(problem=str(error), advice=_START)
    readable, writeable = info.storages.get(storage.name, (False, False))
    problem = ""
    if storage.name not in info.storages:
        problem = "Gitaly does not know a storage of this name."
    elif not (readable and writeable):
        problem = "Gitaly cannot read or write this storage."
    return StorageHealth(f"Gitaly {info.version}, git {info.git_version}", problem, _STORAGE if problem else "")
