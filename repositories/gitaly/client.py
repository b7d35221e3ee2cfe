"""What can be asked of a Gitaly. Plain values in, plain values out; failures are those of `errors`.

Import it where it is used: gRPC costs start-up time and memory, which a service that only answers pulls need not pay.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from internal_api import tracing
from internal_api.tracing import traced
from repositories.gitaly import gitaly_pb2 as pb
from repositories.gitaly.admission import admitted
from repositories.gitaly.channel import Metadata, channel_to, metadata_for, results, translating_errors, with_retries
from repositories.gitaly.values import RepositoryRef, ServerInfo, StorageAddress

_OBJECTS_PER_MESSAGE = 1000
_KIBIBYTE = 1024
_REFS_PER_CALL = 500
_REFS_ASKED_ONE_BY_ONE = 5000
_MOST_POINTERS = 2000
_LFS_OID = re.compile(rb"^oid sha256:([0-9a-f]{64})$", re.MULTILINE)
"""The line of a pointer that names its object; a pointer ends its lines with line feeds alone."""
_AT_ONCE = 16
"""Questions of one push that are under way at once: Gitaly starts a git process for each."""


class GitalyClient:
    """One Gitaly. `metadata` goes along with every call; each call takes the seconds it may last and raises GitalyError."""

    def __init__(self, storage: StorageAddress, metadata: Metadata = ()) -> None:
        self.storage = storage
        self.metadata = metadata

    def _open(self, kind: str, method: str, encode: Any, response_type: Any) -> Any:
        """The callable of one method, of which `kind` tells what streams: unary_unary, unary_stream or stream_stream."""
        opener = getattr(channel_to(self.storage.address), kind)
        return opener(f"/gitaly.{method}", request_serializer=encode, response_deserializer=response_type.FromString)

    def _metadata(self) -> list[tuple[str, str | bytes]]:
        if tracing.ENABLED and (traceparent := tracing.traceparent()):
            return metadata_for(self.storage.token, [*self.metadata, (tracing.TRACEPARENT, traceparent)])
        return metadata_for(self.storage.token, self.metadata)

    def _unary(self, method: str, request: Any, response_type: Any, seconds: float) -> Any:
        """Return the one response."""
        return self._together("unary_unary", method, [request], response_type, seconds)[0]

    def _stream(self, method: str, request: Any, response_type: Any, seconds: float) -> list[Any]:
        """Return all responses."""
        responses: list[Any] = self._together("unary_stream", method, [request], response_type, seconds)[0]
        return responses

    def _together(self, kind: str, method: str, requests: Sequence[Any], response_type: Any, seconds: float) -> list[Any]:
        """Return what is answered to each request: a response, or a list of those where `kind` streams them.

        Up to _AT_ONCE requests are under way at any moment; all have one deadline and take one place in the bulkhead.
        """
        if not requests:
            return []
        call = self._open(kind, method, type(requests[0]).SerializeToString, response_type)

        def start(request: Any, left: float) -> Callable[[], Any]:
            if kind == "unary_unary":
                answered: Callable[[], Any] = call.future(request, timeout=left, metadata=self._metadata()).result
                return answered
            stream = call(request, timeout=left, metadata=self._metadata())
            return lambda: list(stream)

        end = time.monotonic() + seconds
        answers: list[Any] = []
        with admitted(self.storage.address, seconds), translating_errors():
            for first in range(0, len(requests), _AT_ONCE):
                answers += with_retries(
                    partial(_ask, method.rpartition("/")[2], start, requests[first : first + _AT_ONCE]), end - time.monotonic()
                )
        return answers

    def is_ancestor(self, repository: RepositoryRef, ancestor: str, child: str, *, seconds: float) -> bool:
        """Whether one commit is an ancestor of another. Gitaly says no, too, when one of them is missing."""
        return self.are_ancestors(repository, [(ancestor, child)], seconds=seconds)[0]

    def are_ancestors(self, repository: RepositoryRef, pairs: Iterable[tuple[str, str]], *, seconds: float) -> list[bool]:
        """The same for several pairs of an ancestor and a child, which are asked about together."""
        message = _message(repository)
        requests = [pb.CommitIsAncestorRequest(repository=message, ancestor_id=ancestor, child_id=child) for ancestor, child in pairs]
        responses = self._together("unary_unary", "CommitService/CommitIsAncestor", requests, pb.CommitIsAncestorResponse, seconds)
        return [bool(response.value) for response in responses]

    def missing_objects(self, repository: RepositoryRef, revisions: Iterable[str], *, seconds: float) -> set[str]:
        """Those of the revisions that are not there; one call, whatever their number."""
        wanted = list(dict.fromkeys(revisions))

        def requests() -> Iterator[Any]:
            for start in range(0, len(wanted), _OBJECTS_PER_MESSAGE):
                chunk = [revision.encode() for revision in wanted[start : start + _OBJECTS_PER_MESSAGE]]
                yield pb.CheckObjectsExistRequest(repository=_message(repository) if start == 0 else None, revisions=chunk)

        call = self._open("stream_stream", "CommitService/CheckObjectsExist", _serialized, pb.CheckObjectsExistResponse)

        @traced("gitaly CheckObjectsExist", "CLIENT", lambda _: {"rpc.system.name": "grpc", "rpc.method": "CheckObjectsExist"})
        def ask(left: float) -> list[Any]:
            stream = call(requests(), timeout=left, metadata=self._metadata())
            return results("CheckObjectsExist", [lambda: list(stream)])[0]

        with admitted(self.storage.address, seconds), translating_errors():
            responses = with_retries(ask, seconds)
        return {one.name.decode() for response in responses for one in response.revisions if not one.exists}

    def has_commits(self, repository: RepositoryRef, revisions: Iterable[str], *, seconds: float) -> bool:
        """Whether these revisions, some of which may be excluded with `^` or after `--not`, hold any commit."""
        return self.have_commits(repository, [revisions], seconds=seconds)[0]

    def have_commits(self, repository: RepositoryRef, sets: Iterable[Iterable[str]], *, seconds: float) -> list[bool]:
        """The same for several sets of revisions, which are asked about together."""
        message, one = _message(repository), pb.PaginationParameter(limit=1)
        requests = [pb.ListCommitsRequest(repository=message, revisions=list(revisions), pagination_params=one) for revisions in sets]
        answers = self._together("unary_stream", "CommitService/ListCommits", requests, pb.ListCommitsResponse, seconds)
        return [any(response.commits for response in responses) for responses in answers]

    def new_lfs_oids(self, repository: RepositoryRef, revisions: Iterable[str], *, seconds: float) -> set[str]:
        """Return the ids of the LFS objects that new objects name: those in the quarantine, or else those behind the revisions.

        Of a push that brings more than _MOST_POINTERS of them Gitaly lists as many.
        """
        message = _message(repository)
        if repository.git_object_directory:
            del message.git_alternate_object_directories[:]  # so that only the quarantine is read
            request: Any = pb.ListAllLFSPointersRequest(repository=message, limit=_MOST_POINTERS)
            method: str = "BlobService/ListAllLFSPointers"
            response_type: Any = pb.ListAllLFSPointersResponse
        else:
            request = pb.ListLFSPointersRequest(repository=message, revisions=[*revisions, "--not", "--all"], limit=_MOST_POINTERS)
            method, response_type = "BlobService/ListLFSPointers", pb.ListLFSPointersResponse
        responses = self._stream(method, request, response_type, seconds)
        found = (_LFS_OID.search(pointer.data) for response in responses for pointer in response.lfs_pointers)
        return {match[1].decode() for match in found if match}

    def has_branches(self, repository: RepositoryRef, *, seconds: float) -> bool:
        """Whether anything has been pushed."""
        request = pb.HasLocalBranchesRequest(repository=_message(repository))
        response = self._unary("RepositoryService/HasLocalBranches", request, pb.HasLocalBranchesResponse, seconds)
        return bool(response.value)

    def default_branch(self, repository: RepositoryRef, *, seconds: float) -> str | None:
        """The full ref of the default branch; None while there is none."""
        return self._default_branch(repository, seconds, head_only=False)

    def head(self, repository: RepositoryRef, *, seconds: float) -> str | None:
        """The full ref that HEAD names, which need not exist; None where Gitaly tells only of those that do."""
        return self._default_branch(repository, seconds, head_only=True)

    def _default_branch(self, repository: RepositoryRef, seconds: float, *, head_only: bool) -> str | None:
        request = pb.FindDefaultBranchNameRequest(repository=_message(repository), head_only=head_only)
        response = self._unary("RefService/FindDefaultBranchName", request, pb.FindDefaultBranchNameResponse, seconds)
        return response.name.decode(errors="replace") or None

    def set_head(self, repository: RepositoryRef, ref: str, *, seconds: float) -> None:
        """Let HEAD name a full ref such as `refs/heads/trunk`, which need not exist."""
        request = pb.WriteRefRequest(repository=_without_quarantine(repository), ref=b"HEAD", revision=ref.encode())
        self._unary("RepositoryService/WriteRef", request, pb.WriteRefResponse, seconds)

    def existing_refs(self, repository: RepositoryRef, refs: Iterable[str], *, seconds: float) -> set[str]:
        """Those of the full refs that exist; one call."""
        wanted = set(refs)
        request = pb.ListRefsRequest(repository=_message(repository), patterns=[ref.encode() for ref in sorted(wanted)])
        responses = self._stream("RefService/ListRefs", request, pb.ListRefsResponse, seconds)
        # A pattern covers what lies below it too, as `git for-each-ref` has it.
        found = {one.name.decode(errors="replace") for response in responses for one in response.references}
        return wanted & found

    def ref_targets(self, repository: RepositoryRef, refs: Iterable[str], *, seconds: float) -> dict[str, str]:
        """Where those of the full refs stand that exist; of very many refs all of the repository's are listed.

        A target is what the ref holds: of an annotated tag the tag object, as in the changes of a push.
        """
        wanted, end = sorted(set(refs)), time.monotonic() + seconds
        steps = range(0, len(wanted), _REFS_PER_CALL)
        patterns = [wanted[start : start + _REFS_PER_CALL] for start in steps] if len(wanted) <= _REFS_ASKED_ONE_BY_ONE else [["refs/"]]
        found: dict[str, str] = {}
        for some in patterns:
            request = pb.ListRefsRequest(repository=_message(repository), patterns=[pattern.encode() for pattern in some])
            responses = self._stream("RefService/ListRefs", request, pb.ListRefsResponse, end - time.monotonic())
            for response in responses:
                found.update((one.name.decode(errors="replace"), one.target) for one in response.references)
        return {ref: found[ref] for ref in wanted if ref in found}

    def repository_exists(self, repository: RepositoryRef, *, seconds: float) -> bool:
        """Whether there is such a repository. An unknown storage is GitalyRefusedError, not False."""
        request = pb.RepositoryExistsRequest(repository=_message(repository))
        response = self._unary("RepositoryService/RepositoryExists", request, pb.RepositoryExistsResponse, seconds)
        return bool(response.exists)

    def repository_size(self, repository: RepositoryRef, *, seconds: float) -> int:
        """The bytes of the repository's directory; Gitaly counts in KiB. Raises RepositoryNotFoundError."""
        request = pb.RepositorySizeRequest(repository=_message(repository))
        response = self._unary("RepositoryService/RepositorySize", request, pb.RepositorySizeResponse, seconds)
        return int(response.size) * _KIBIBYTE

    def create_repository(self, repository: RepositoryRef, default_branch: str, *, seconds: float) -> None:
        """Make a bare repository. Raises RepositoryExistsError when there is one."""
        request = pb.CreateRepositoryRequest(repository=_without_quarantine(repository), default_branch=default_branch.encode())
        self._unary("RepositoryService/CreateRepository", request, pb.CreateRepositoryResponse, seconds)

    def remove_repository(self, repository: RepositoryRef, *, seconds: float) -> None:
        """Remove a repository for good. Raises RepositoryNotFoundError."""
        request = pb.RemoveRepositoryRequest(repository=_without_quarantine(repository))
        self._unary("RepositoryService/RemoveRepository", request, pb.RemoveRepositoryResponse, seconds)

    def server_info(self, *, seconds: float) -> ServerInfo:
        """Its version and its storages."""
        response = self._unary("ServerService/ServerInfo", pb.ServerInfoRequest(), pb.ServerInfoResponse, seconds)
        storages = {status.storage_name: (status.readable, status.writeable) for status in response.storage_statuses}
        return ServerInfo(response.server_version, response.git_version, storages)


@traced(lambda method, *_: f"gitaly {method}", "CLIENT", lambda method, *_: {"rpc.system.name": "grpc", "rpc.method": method})
def _ask(method: str, start: Callable[[Any, float], Callable[[], Any]], requests: Sequence[Any], left: float) -> list[Any]:
    """Make the requests at once, which may take so many seconds, and return what is answered. Raises grpc.RpcError."""
    return results(method, [start(request, left) for request in requests])


def _serialized(message: Any) -> bytes:
    encoded: bytes = message.SerializeToString()
    return encoded


def _message(repository: RepositoryRef) -> Any:
    return pb.Repository(
        storage_name=repository.storage_name,
        relative_path=repository.relative_path,
        git_object_directory=repository.git_object_directory,
        git_alternate_object_directories=repository.git_alternate_object_directories,
        gl_repository=repository.gl_repository,
        gl_project_path=repository.gl_project_path,
    )


def _without_quarantine(repository: RepositoryRef) -> Any:
    """For calls that change something: what they wrote into a quarantine would vanish with it."""
    message = _message(repository)
    message.git_object_directory = ""
    del message.git_alternate_object_directories[:]
    return message
