from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Repository(_message.Message):
    __slots__ = ("storage_name", "relative_path", "git_object_directory", "git_alternate_object_directories", "gl_repository", "gl_project_path")
    STORAGE_NAME_FIELD_NUMBER: _ClassVar[int]
    RELATIVE_PATH_FIELD_NUMBER: _ClassVar[int]
    GIT_OBJECT_DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    GIT_ALTERNATE_OBJECT_DIRECTORIES_FIELD_NUMBER: _ClassVar[int]
    GL_REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    GL_PROJECT_PATH_FIELD_NUMBER: _ClassVar[int]
    storage_name: str
    relative_path: str
    git_object_directory: str
    git_alternate_object_directories: _containers.RepeatedScalarFieldContainer[str]
    gl_repository: str
    gl_project_path: str
    def __init__(self, storage_name: _Optional[str] = ..., relative_path: _Optional[str] = ..., git_object_directory: _Optional[str] = ..., git_alternate_object_directories: _Optional[_Iterable[str]] = ..., gl_repository: _Optional[str] = ..., gl_project_path: _Optional[str] = ...) -> None: ...

class CommitIsAncestorRequest(_message.Message):
    __slots__ = ("repository", "ancestor_id", "child_id")
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    ANCESTOR_ID_FIELD_NUMBER: _ClassVar[int]
    CHILD_ID_FIELD_NUMBER: _ClassVar[int]
    repository: Repository
    ancestor_id: str
    child_id: str
    def __init__(self, repository: _Optional[_Union[Repository, _Mapping]] = ..., ancestor_id: _Optional[str] = ..., child_id: _Optional[str] = ...) -> None: ...

class CommitIsAncestorResponse(_message.Message):
    __slots__ = ("value",)
    VALUE_FIELD_NUMBER: _ClassVar[int]
    value: bool
    def __init__(self, value: _Optional[bool] = ...) -> None: ...

class CheckObjectsExistRequest(_message.Message):
    __slots__ = ("repository", "revisions")
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    repository: Repository
    revisions: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, repository: _Optional[_Union[Repository, _Mapping]] = ..., revisions: _Optional[_Iterable[bytes]] = ...) -> None: ...

class CheckObjectsExistResponse(_message.Message):
    __slots__ = ("revisions",)
    class RevisionExistence(_message.Message):
        __slots__ = ("name", "exists")
        NAME_FIELD_NUMBER: _ClassVar[int]
        EXISTS_FIELD_NUMBER: _ClassVar[int]
        name: bytes
        exists: bool
        def __init__(self, name: _Optional[bytes] = ..., exists: _Optional[bool] = ...) -> None: ...
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    revisions: _containers.RepeatedCompositeFieldContainer[CheckObjectsExistResponse.RevisionExistence]
    def __init__(self, revisions: _Optional[_Iterable[_Union[CheckObjectsExistResponse.RevisionExistence, _Mapping]]] = ...) -> None: ...

class PaginationParameter(_message.Message):
    __slots__ = ("page_token", "limit")
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    page_token: str
    limit: int
    def __init__(self, page_token: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class GitCommit(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class ListCommitsRequest(_message.Message):
    __slots__ = ("repository", "revisions", "pagination_params")
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    PAGINATION_PARAMS_FIELD_NUMBER: _ClassVar[int]
    repository: Repository
    revisions: _containers.RepeatedScalarFieldContainer[str]
    pagination_params: PaginationParameter
    def __init__(self, repository: _Optional[_Union[Repository, _Mapping]] = ..., revisions: _Optional[_Iterable[str]] = ..., pagination_params: _Optional[_Union[PaginationParameter, _Mapping]] = ...) -> None: ...

class ListCommitsResponse(_message.Message):
    __slots__ = ("commits",)
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    commits: _containers.RepeatedCompositeFieldContainer[GitCommit]
    def __init__(self, commits: _Optional[_Iterable[_Union[GitCommit, _Mapping]]] = ...) -> None: ...

class LFSPointer(_message.Message):
    __slots__ = ("size", "data", "oid")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    OID_FIELD_NUMBER: _ClassVar[int]
    size: int
    data: bytes
    oid: str
    def __init__(self, size: _Optional[int] = ..., data: _Optional[bytes] = ..., oid: _Optional[str] = ...) -> None: ...

class ListLFSPointersRequest(_message.Message):
    __slots__ = ("repository", "revisions", "limit")
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    repository: Repository
    revisions: _containers.RepeatedScalarFieldContainer[str]
    limit: int
    def __init__(self, repository: _Optional[_Union[Repository, _Mapping]] = ..., revisions: _Optional[_Iterable[str]] = ..., limit: _Optional[int] = ...) -> None: ...

class ListLFSPointersResponse(_message.Message):
    __slots__ = ("lfs_pointers",)
    LFS_POINTERS_FIELD_NUMBER: _ClassVar[int]
    lfs_pointers: _containers.RepeatedCompositeFieldContainer[LFSPointer]
    def __init__(self, lfs_pointers: _Optional[_Iterable[_Union[LFSPointer, _Mapping]]] = ...) -> None: ...

class ListAllLFSPointersRequest(_message.Message):
    __slots__ = ("repository", "limit")
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    repository: Repository
    limit: int
    def __init__(self, repository: _Optional[_Union[Repository, _Mapping]] = ..., limit: _Optional[int] = ...) -> None: ...

class ListAllLFSPointersResponse(_message.Message):
    __slots__ = ("lfs_pointers",)
    LFS_POINTERS_FIELD_NUMBER: _ClassVar[int]
    lfs_pointers: _containers.RepeatedCompositeFieldContainer[LFSPointer]
    def __init__(self, lfs_pointers: _Optional[_Iterable[_Union[LFSPointer, _Mapping]]] = ...) -> None: ...

class FindDefaultBranchNameRequest(_message.Message):
    __slots__ = ("repository", "head_only")
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    HEAD_ONLY_FIELD_NUMBER: _ClassVar[int]
    repository: Repository
    head_only: bool
    def __init__(self, repository: _Optional[_Union[Repository, _Mapping]] = ..., head_only: _Optional[bool] = ...) -> None: ...

class FindDefaultBranchNameResponse(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: bytes
    def __init__(self, name: _Optional[bytes] = ...) -> None: ...

class RepositoryExistsRequest(_message.Message):
    __slots__ = ("repository",)
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    repository: Repository
    def __init__(self, repository: _Optional[_Union[Repository, _Mapping]] = ...) -> None: ...

class RepositoryExistsResponse(_message.Message):
    __slots__ = ("exists",)
    EXISTS_FIELD_NUMBER: _ClassVar[int]
    exists: bool
    def __init__(self, exists: _Optional[bool] = ...) -> None: ...

class CreateRepositoryRequest(_message.Message):
    __slots__ = ("repository", "default_branch", "object_format")
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_BRANCH_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    repository: Repository
    default_branch: bytes
    object_format: int
    def __init__(self, repository: _Optional[_Union[Repository, _Mapping]] = ..., default_branch: _Optional[bytes] = ..., object_format: _Optional[int] = ...) -> None: ...

class CreateRepositoryResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RemoveRepositoryRequest(_message.Message):
    __slots__ = ("repository",)
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    repository: Repository
    def __init__(self, repository: _Optional[_Union[Repository, _Mapping]] = ...) -> None: ...

class RemoveRepositoryResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RepositorySizeRequest(_message.Message):
    __slots__ = ("repository",)
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    repository: Repository
    def __init__(self, repository: _Optional[_Union[Repository, _Mapping]] = ...) -> None: ...

class RepositorySizeResponse(_message.Message):
    __slots__ = ("size",)
    SIZE_FIELD_NUMBER: _ClassVar[int]
    size: int
    def __init__(self, size: _Optional[int] = ...) -> None: ...

class WriteRefRequest(_message.Message):
    __slots__ = ("repository", "ref", "revision", "old_revision")
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    OLD_REVISION_FIELD_NUMBER: _ClassVar[int]
    repository: Repository
    ref: bytes
    revision: bytes
    old_revision: bytes
    def __init__(self, repository: _Optional[_Union[Repository, _Mapping]] = ..., ref: _Optional[bytes] = ..., revision: _Optional[bytes] = ..., old_revision: _Optional[bytes] = ...) -> None: ...

class WriteRefResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListRefsRequest(_message.Message):
    __slots__ = ("repository", "patterns")
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    PATTERNS_FIELD_NUMBER: _ClassVar[int]
    repository: Repository
    patterns: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, repository: _Optional[_Union[Repository, _Mapping]] = ..., patterns: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ListRefsResponse(_message.Message):
    __slots__ = ("references",)
    class Reference(_message.Message):
        __slots__ = ("name", "target")
        NAME_FIELD_NUMBER: _ClassVar[int]
        TARGET_FIELD_NUMBER: _ClassVar[int]
        name: bytes
        target: str
        def __init__(self, name: _Optional[bytes] = ..., target: _Optional[str] = ...) -> None: ...
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    references: _containers.RepeatedCompositeFieldContainer[ListRefsResponse.Reference]
    def __init__(self, references: _Optional[_Iterable[_Union[ListRefsResponse.Reference, _Mapping]]] = ...) -> None: ...

class HasLocalBranchesRequest(_message.Message):
    __slots__ = ("repository",)
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    repository: Repository
    def __init__(self, repository: _Optional[_Union[Repository, _Mapping]] = ...) -> None: ...

class HasLocalBranchesResponse(_message.Message):
    __slots__ = ("value",)
    VALUE_FIELD_NUMBER: _ClassVar[int]
    value: bool
    def __init__(self, value: _Optional[bool] = ...) -> None: ...

class ServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ServerInfoResponse(_message.Message):
    __slots__ = ("server_version", "git_version", "storage_statuses")
    class StorageStatus(_message.Message):
        __slots__ = ("storage_name", "readable", "writeable")
        STORAGE_NAME_FIELD_NUMBER: _ClassVar[int]
        READABLE_FIELD_NUMBER: _ClassVar[int]
        WRITEABLE_FIELD_NUMBER: _ClassVar[int]
        storage_name: str
        readable: bool
        writeable: bool
        def __init__(self, storage_name: _Optional[str] = ..., readable: _Optional[bool] = ..., writeable: _Optional[bool] = ...) -> None: ...
    SERVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    GIT_VERSION_FIELD_NUMBER: _ClassVar[int]
    STORAGE_STATUSES_FIELD_NUMBER: _ClassVar[int]
    server_version: str
    git_version: str
    storage_statuses: _containers.RepeatedCompositeFieldContainer[ServerInfoResponse.StorageStatus]
    def __init__(self, server_version: _Optional[str] = ..., git_version: _Optional[str] = ..., storage_statuses: _Optional[_Iterable[_Union[ServerInfoResponse.StorageStatus, _Mapping]]] = ...) -> None: ...
