"""What goes into Gitaly's client and comes out of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StorageAddress:
    """Where a storage is served."""

    name: str
    address: str
    token: str | None = None


@dataclass(frozen=True, slots=True)
class RepositoryRef:
    """A repository, with the place of objects that are not accepted yet: both fields come from Gitaly and go back as they came."""

    storage_name: str
    relative_path: str
    gl_repository: str
    gl_project_path: str
    git_object_directory: str = ""
    git_alternate_object_directories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """A Gitaly's own account of itself; `storages` tells of each whether it can be read and written."""

    version: str
    git_version: str
    storages: dict[str, tuple[bool, bool]]
