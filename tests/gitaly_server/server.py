"""The calls of repositories/gitaly/gitaly.proto, with the status codes of the real server (contract: gitaly 4.2, 4.4).

Every answer comes from a real bare repository and the git program. The calls, revisions and quarantines that it is asked
about are those of tests/recordings/shell-*.jsonl, which are replayed against it. What it cannot show: which branch the real server
names when HEAD names none and there are several (here main, else master, else the first by name; of the real one it is
known that it prefers master to develop); what RepositorySize costs and how it rounds (here the sizes of the files, rounded
up to KiB); housekeeping, Praefect, transactions, and the time that a loaded server takes.
"""

import hashlib
import hmac
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import grpc

from repositories.gitaly import gitaly_pb2 as pb

SKEW = 30
LARGEST_POINTER = 200


@dataclass
class FakeGitaly:
    """Serves the storages below `root`; the rest are switches for faults, and what it was asked."""

    root: Path
    token: str | None = None
    storages: tuple[str, ...] = ("default",)
    is_transitioning: bool = False
    """Accept any token, as with `[auth] transitioning = true`."""
    hang_seconds: float = 0
    rubbish: bool = False
    unavailable: int = 0
    """How many of the next calls are answered with UNAVAILABLE."""
    before: Callable[[str], object] = lambda _name: None
    """What is waited for before a call is answered."""
    on_create: Callable[[Path, str], None] = lambda _path, _gl_repository: None
    """What happens to a new repository, such as getting hooks."""
    calls: list[str] = field(default_factory=list)
    metadata: dict[str, str | bytes] = field(default_factory=dict)
    quarantines: list[str] = field(default_factory=list)
    address: str = ""

    def path_of(self, storage: str, relative_path: str) -> Path:
        return self.root / storage / relative_path

    def make(self, relative_path: str, storage: str = "default") -> Path:
        """A bare repository, made as Gitaly would."""
        path = self.path_of(storage, relative_path)
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(path)], check=True)
        return path

    # --- the calls ---------------------------------------------------------------------------------------------------

    def is_ancestor(self, request: pb.CommitIsAncestorRequest, context: grpc.ServicerContext) -> pb.CommitIsAncestorResponse:
        if not request.ancestor_id or not request.child_id:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "empty revision")
        done = self.git(request.repository, context, "merge-base", "--is-ancestor", request.ancestor_id, request.child_id)
        return pb.CommitIsAncestorResponse(value=done.returncode == 0)

    def objects_exist(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[pb.CheckObjectsExistResponse]:
        repository = None
        for request in requests:
            repository = repository or request.repository
            names = [name.decode() for name in request.revisions]
            done = self.git(repository, context, "cat-file", "--batch-check", text="".join(f"{name}\n" for name in names))
            missing = {line.split()[0] for line in done.stdout.splitlines() if line.endswith(" missing")}
            yield pb.CheckObjectsExistResponse(
                revisions=[pb.CheckObjectsExistResponse.RevisionExistence(name=name.encode(), exists=name not in missing) for name in names]
            )

    def list_commits(self, request: pb.ListCommitsRequest, context: grpc.ServicerContext) -> Iterator[pb.ListCommitsResponse]:
        limit = [f"--max-count={request.pagination_params.limit}"] if request.pagination_params.limit else []
        done = self.git(request.repository, context, "rev-list", *limit, *request.revisions)
        if done.returncode:
            context.abort(grpc.StatusCode.INTERNAL, done.stderr)
        yield pb.ListCommitsResponse(commits=[pb.GitCommit(id=line) for line in done.stdout.split()])

    def list_lfs_pointers(self, request: pb.ListLFSPointersRequest, context: grpc.ServicerContext) -> Iterator[pb.ListLFSPointersResponse]:
        if not request.revisions:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "missing revisions")
        done = self.git(request.repository, context, "rev-list", "--objects", "--no-object-names", *request.revisions)
        if done.returncode:
            context.abort(grpc.StatusCode.INTERNAL, done.stderr)
        yield pb.ListLFSPointersResponse(lfs_pointers=self._pointers(request, context, done.stdout.split()))

    def list_all_lfs_pointers(
        self, request: pb.ListAllLFSPointersRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ListAllLFSPointersResponse]:
        done = self.git(
            request.repository, context, "cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objectname) %(objecttype)"
        )
        blobs = [line.split()[0] for line in done.stdout.splitlines() if line.endswith(" blob")]
        yield pb.ListAllLFSPointersResponse(lfs_pointers=self._pointers(request, context, blobs))

    def _pointers(self, request: Any, context: grpc.ServicerContext, names: list[str]) -> list[pb.LFSPointer]:
        """Those of the objects that are pointers: small blobs which begin with the line of Git LFS."""
        found: list[pb.LFSPointer] = []
        for name in names:
            data = self.git(request.repository, context, "cat-file", "blob", name).stdout
            if data.startswith("version https://git-lfs.github.com/spec") and len(data) <= LARGEST_POINTER:
                found.append(pb.LFSPointer(size=len(data), data=data.encode(), oid=name))
        return found[: request.limit or None]

    def default_branch(self, request: Any, context: grpc.ServicerContext) -> pb.FindDefaultBranchNameResponse:
        head = self.git(request.repository, context, "symbolic-ref", "HEAD").stdout.strip()
        if request.head_only:
            return pb.FindDefaultBranchNameResponse(name=head.encode())
        branches = self.git(request.repository, context, "for-each-ref", "--format=%(refname)", "refs/heads/").stdout.split("\n")[:-1]
        preferred = [name for name in (head, "refs/heads/main", "refs/heads/master") if name in branches]
        return pb.FindDefaultBranchNameResponse(name=[*preferred, *branches, ""][0].encode())

    def list_refs(self, request: Any, context: grpc.ServicerContext) -> Iterator[pb.ListRefsResponse]:
        if not request.patterns:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "patterns must have at least one entry")
        patterns = [pattern.decode() for pattern in request.patterns]
        lines = self.git(request.repository, context, "for-each-ref", "--format=%(refname) %(objectname)", *patterns).stdout
        found = [line.rsplit(" ", 1) for line in lines.split("\n")[:-1]]  # a ref may hold other white space
        reference = pb.ListRefsResponse.Reference
        yield pb.ListRefsResponse(references=[reference(name=name.encode(), target=target) for name, target in found])

    def write_ref(self, request: Any, context: grpc.ServicerContext) -> pb.WriteRefResponse:
        if request.repository.git_object_directory:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "mutator with quarantine")
        if request.ref != b"HEAD":
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "only HEAD is written here")
        name = request.revision.decode()
        if self.git(request.repository, context, "check-ref-format", name).returncode or not name.startswith("refs/heads/"):
            context.abort(grpc.StatusCode.INTERNAL, "bad ref name")
        self.git(request.repository, context, "symbolic-ref", "HEAD", name)
        return pb.WriteRefResponse()

    def repository_size(self, request: Any, context: grpc.ServicerContext) -> pb.RepositorySizeResponse:
        path = self._path(request.repository, context)
        if not path.exists():
            context.abort(grpc.StatusCode.NOT_FOUND, "repository not found")
        size = sum(file.lstat().st_size for file in path.rglob("*") if file.is_file())
        return pb.RepositorySizeResponse(size=-(-size // 1024))

    def repository_exists(self, request: Any, context: grpc.ServicerContext) -> pb.RepositoryExistsResponse:
        return pb.RepositoryExistsResponse(exists=(self._path(request.repository, context) / "HEAD").exists())

    def create_repository(self, request: Any, context: grpc.ServicerContext) -> pb.CreateRepositoryResponse:
        path = self._path(request.repository, context)
        if request.repository.git_object_directory:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "mutator with quarantine")
        if path.exists():
            context.abort(grpc.StatusCode.ALREADY_EXISTS, "repository exists already")
        path.parent.mkdir(parents=True, exist_ok=True)
        branch = request.default_branch.decode() or "main"
        subprocess.run(["git", "init", "--quiet", "--bare", f"--initial-branch={branch}", str(path)], check=True)
        self.on_create(path, request.repository.gl_repository)
        return pb.CreateRepositoryResponse()

    def remove_repository(self, request: Any, context: grpc.ServicerContext) -> pb.RemoveRepositoryResponse:
        path = self._path(request.repository, context)
        if not path.exists():
            context.abort(grpc.StatusCode.NOT_FOUND, "repository not found")
        shutil.rmtree(path)
        return pb.RemoveRepositoryResponse()

    def has_branches(self, request: Any, context: grpc.ServicerContext) -> pb.HasLocalBranchesResponse:
        done = self.git(request.repository, context, "for-each-ref", "--count=1", "refs/heads/")
        return pb.HasLocalBranchesResponse(value=bool(done.stdout))

    def server_info(self, request: Any, context: grpc.ServicerContext) -> pb.ServerInfoResponse:
        statuses = [pb.ServerInfoResponse.StorageStatus(storage_name=name, readable=True, writeable=True) for name in self.storages]
        return pb.ServerInfoResponse(server_version="16.7.0-fake", git_version="2.39.0", storage_statuses=statuses)

    # --- how it answers ----------------------------------------------------------------------------------------------

    def git(self, repository: Any, context: grpc.ServicerContext, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run git in a repository, with the quarantine that the request names."""
        path = self._path(repository, context)
        self.quarantines.append(repository.git_object_directory)
        if not path.exists():
            context.abort(grpc.StatusCode.NOT_FOUND, "repository not found")
        environment = {**os.environ}
        if repository.git_object_directory:
            environment["GIT_OBJECT_DIRECTORY"] = str(path / repository.git_object_directory)
            alternates = [str(path / directory) for directory in repository.git_alternate_object_directories]
            environment["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = os.pathsep.join(alternates)
        command = ["git", "--git-dir", str(path), *arguments]
        return subprocess.run(command, env=environment, input=text, capture_output=True, text=True, errors="replace", check=False)

    def _path(self, repository: Any, context: grpc.ServicerContext) -> Path:
        if repository.storage_name not in self.storages:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "storage name not found")
        if not repository.relative_path or ".." in Path(repository.relative_path).parts:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "bad relative path")
        return self.path_of(repository.storage_name, repository.relative_path)

    def admit(self, name: str, context: grpc.ServicerContext) -> None:
        """Check the token as Gitaly does, after whatever fault is switched on."""
        self.calls.append(name)
        self.metadata = dict(context.invocation_metadata())
        time.sleep(self.hang_seconds)
        self.before(name)
        if self.unavailable:
            self.unavailable -= 1
            refuse(context, grpc.StatusCode.UNAVAILABLE, "the connection was closed")
        if self.token is not None and not self.is_transitioning:
            self._check_token(str(self.metadata.get("authorization", "")), context)

    def _check_token(self, value: str, context: grpc.ServicerContext) -> None:
        version, _, rest = value.removeprefix("Bearer ").partition(".")
        digest, _, timestamp = rest.partition(".")
        if version != "v2" or not timestamp.isdigit():
            refuse(context, grpc.StatusCode.UNAUTHENTICATED, "authentication required")
        expected = hmac.new((self.token or "").encode(), timestamp.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(digest, expected) or abs(time.time() - int(timestamp)) > SKEW:
            refuse(context, grpc.StatusCode.PERMISSION_DENIED, "permission denied")

    def handlers(self) -> "list[grpc.GenericRpcHandler[Any, Any]]":
        """All calls, as gRPC wants them."""
        unary, out, both = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler, grpc.stream_stream_rpc_method_handler
        table: dict[str, dict[str, tuple[Any, Callable[..., Any], Any]]] = {
            "CommitService": {
                "CommitIsAncestor": (unary, self.is_ancestor, pb.CommitIsAncestorRequest),
                "CheckObjectsExist": (both, self.objects_exist, pb.CheckObjectsExistRequest),
                "ListCommits": (out, self.list_commits, pb.ListCommitsRequest),
            },
            "BlobService": {
                "ListLFSPointers": (out, self.list_lfs_pointers, pb.ListLFSPointersRequest),
                "ListAllLFSPointers": (out, self.list_all_lfs_pointers, pb.ListAllLFSPointersRequest),
            },
            "RefService": {
                "FindDefaultBranchName": (unary, self.default_branch, pb.FindDefaultBranchNameRequest),
                "ListRefs": (out, self.list_refs, pb.ListRefsRequest),
            },
            "RepositoryService": {
                "RepositoryExists": (unary, self.repository_exists, pb.RepositoryExistsRequest),
                "CreateRepository": (unary, self.create_repository, pb.CreateRepositoryRequest),
                "RemoveRepository": (unary, self.remove_repository, pb.RemoveRepositoryRequest),
                "HasLocalBranches": (unary, self.has_branches, pb.HasLocalBranchesRequest),
                "RepositorySize": (unary, self.repository_size, pb.RepositorySizeRequest),
                "WriteRef": (unary, self.write_ref, pb.WriteRefRequest),
            },
            "ServerService": {"ServerInfo": (unary, self.server_info, pb.ServerInfoRequest)},
        }
        return [
            grpc.method_handlers_generic_handler(
                f"gitaly.{service}", {name: self._handler(name, *described) for name, described in methods.items()}
            )
            for service, methods in table.items()
        ]

    def _handler(self, name: str, make: Any, answer: Callable[..., Any], request_type: Any) -> Any:
        streams = make is not grpc.unary_unary_rpc_method_handler

        def respond(request: Any, context: grpc.ServicerContext) -> Any:
            self.admit(name, context)
            return answer(request, context)

        def respond_in_pieces(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            self.admit(name, context)
            yield from answer(request, context)

        def encode(message: Any) -> bytes:
            return b"\xff\xff\xff" if self.rubbish else bytes(message.SerializeToString())

        return make(respond_in_pieces if streams else respond, request_type.FromString, encode)


def refuse(context: grpc.ServicerContext, code: grpc.StatusCode, details: str) -> NoReturn:
    """End the call."""
    context.abort(code, details)
    raise AssertionError("abort raises")


@contextmanager
def running(
    root: Path, *, token: str | None = None, listen: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None
) -> Iterator[FakeGitaly]:
    """A server for as long as the block runs; its address is for a storage's `gitaly_address`."""
    gitaly = FakeGitaly(root, token)
    for storage in gitaly.storages:
        (root / storage).mkdir(parents=True, exist_ok=True)
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers(gitaly.handlers())
    port = server.add_secure_port(listen, credentials) if credentials else server.add_insecure_port(listen)
    scheme = "tls" if credentials else "tcp"
    gitaly.address = listen if listen.startswith("unix:") else f"{scheme}://127.0.0.1:{port}"
    server.start()
    try:
        yield gitaly
    finally:
        server.stop(grace=0.5).wait()
