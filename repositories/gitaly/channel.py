"""The connection to a Gitaly: one channel per process and address, a fresh proof of identity with every call."""

import hashlib
import hmac
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import grpc

from internal_api.encryption import is_decrypted
from internal_api.metrics import gitaly_calls
from internal_api.request_costs import costs
from repositories.gitaly.errors import (
    GitalyError,
    GitalyRefusedError,
    GitalyTokenRefusedError,
    GitalyTooSlowError,
    GitalyUnavailableError,
    RepositoryExistsError,
    RepositoryNotFoundError,
)
from repositories.gitaly_address import address_problem

_OPTIONS = [
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.use_local_subchannel_pool", 1),
    # A Gitaly that was away is found again within seconds; gRPC's own pauses grow to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 250),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]
_channels: dict[tuple[int, str], grpc.Channel] = {}
_lock = threading.Lock()

Metadata = Sequence[tuple[str, str | bytes]]
Result = TypeVar("Result")

PAUSES = (0.05, 0.2)
"""Seconds before a call is made again that Gitaly, or a proxy before it, has answered with UNAVAILABLE at once."""


def authorization(token: str, timestamp: int) -> str:
    """Gitaly's v2 token: good for 30 seconds around its time (contract: gitaly 4.2)."""
    digest = hmac.new(token.encode(), str(timestamp).encode(), hashlib.sha256).hexdigest()
    return f"Bearer v2.{digest}.{timestamp}"


def metadata_for(token: str | None, extra: Metadata) -> list[tuple[str, str | bytes]]:
    """What goes along with a call. Raises GitalyRefusedError for a stored token that cannot be decrypted."""
    if not is_decrypted(token):
        raise GitalyRefusedError("The storage's token cannot be decrypted: its key is not among those that are configured.")
    proof = [("authorization", authorization(token, int(time.time())))] if token else []
    return [*proof, ("client_name", "control-plane"), *extra]


def channel_to(address: str) -> grpc.Channel:
    """The channel to an address such as `unix:/path`, `tcp://host:port`, `tls://host:port` or `dns:host:port`.

    Kept for as long as the process lives. A forked process makes its own: a channel does not survive a fork. Raises
    GitalyUnavailableError for what is no such address, such as one that was stored past all validation.
    """
    problem = address_problem(address)
    if problem:
        raise GitalyUnavailableError(f"The storage's address is not valid. {problem}")
    key = (os.getpid(), address)
    with _lock:
        channel = _channels.get(key)
        if channel is None:
            channel = _channels[key] = _open(address)
        return channel


def _open(address: str) -> grpc.Channel:
    scheme, _, rest = address.partition(":")
    host = rest.removeprefix("//")
    match scheme:
        case "tcp":
            return grpc.insecure_channel(host, options=_OPTIONS)
        case "tls":
            return grpc.secure_channel(host, grpc.ssl_channel_credentials(_certificates()), options=_OPTIONS)
        case "dns+tls":
            return grpc.secure_channel(f"dns:{rest}", grpc.ssl_channel_credentials(_certificates()), options=_OPTIONS)
        case _:
            return grpc.insecure_channel(address, options=_OPTIONS)


def _certificates() -> bytes | None:
    """The authorities of SSL_CERT_FILE, as GitLab Shell has it; without it gRPC's own."""
    path = os.environ.get("SSL_CERT_FILE")
    if not path:
        return None
    with open(path, "rb") as file:  # noqa: PTH123  bytes of one file
        return file.read()


@contextmanager
def translating_errors() -> Iterator[None]:
    """Turn gRPC's failures into ours, and count the time as waiting for Gitaly."""
    started = time.perf_counter()
    try:
        yield
    except grpc.RpcError as error:
        raise _meaning(error) from error
    finally:
        costs.gitaly_seconds += time.perf_counter() - started


def results(method: str, calls: Iterable[Callable[[], Result]]) -> list[Result]:
    """Wait for calls that are under way, and measure each from now on. Raises grpc.RpcError."""
    started = time.perf_counter()
    found: list[Result] = []
    for call in calls:
        code = "OK"
        try:
            found.append(call())
        except grpc.RpcError as error:
            code = error.code().name
            raise
        finally:
            gitaly_calls.labels(method, code).observe(time.perf_counter() - started)
    return found


def with_retries(call: Callable[[float], Result], seconds: float) -> Result:
    """Return what `call` returns, which gets the seconds it may last.

    A connection that has just broken, such as one whose pings a proxy did not like, is answered with UNAVAILABLE
    before anything was done; the next attempt opens a new one. Every call of the client can be repeated.
    """
    end = time.monotonic() + seconds
    for pause in PAUSES:
        try:
            return call(max(end - time.monotonic(), 0.001))
        except grpc.RpcError as error:
            code = error.code()
            if code != grpc.StatusCode.UNAVAILABLE or end - time.monotonic() <= pause:
                raise
        time.sleep(pause)
    return call(max(end - time.monotonic(), 0.001))


def _meaning(error: Any) -> GitalyError:
    code, details = error.code(), error.details() or ""
    match code:
        case grpc.StatusCode.NOT_FOUND:
            return RepositoryNotFoundError(f"The repository is missing at Gitaly: {details}")
        case grpc.StatusCode.ALREADY_EXISTS:
            return RepositoryExistsError(details)
        case grpc.StatusCode.UNAUTHENTICATED:
            return GitalyTokenRefusedError("Gitaly wants a token and got none it knows.")
        case grpc.StatusCode.PERMISSION_DENIED:
            return GitalyTokenRefusedError("Gitaly refuses the token: it is another one, or the clocks differ by more than 30 seconds.")
        case grpc.StatusCode.INVALID_ARGUMENT | grpc.StatusCode.FAILED_PRECONDITION:
            return GitalyRefusedError(f"Gitaly cannot use what it was asked: {details}")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return GitalyTooSlowError("Gitaly did not answer in time.")
        case _:
            return GitalyUnavailableError(f"Gitaly is not available: {code.name} {details}")
