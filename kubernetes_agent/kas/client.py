"""Calling kas: one channel per process and address, a fresh token with every call."""

import os
import threading
import time
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import jwt
from django.conf import settings

from internal_api.circuit_breaker import CircuitBreaker, CircuitOpenError
from internal_api.service_secrets import service_secrets
from internal_api.service_tokens import KAS
from kubernetes_agent.kas.kas_pb2 import GitPushEventRequest, GitPushEventResponse

AUDIENCE = "gitlab-kas"
TOKEN_SECONDS = 30
"""Life of a token; it is also valid for so long before, for a clock of kas' that is behind."""
FAILURES, PAUSE = 3, 10.0
"""Failures in a row after which kas is left alone, and for how long."""
_GIT_PUSH_EVENT = "/gitlab.agent.notifications.rpc.Notifications/GitPushEvent"
_OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),
    # A kas that was away is found again within seconds; gRPC's own pauses grow to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 250),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]
_channels: dict[tuple[int, str], grpc.Channel] = {}
_lock = threading.Lock()


class KasError(Exception):
    """Kas has not taken a message. `code` is gRPC's, such as UNAVAILABLE; SKIPPED where it was not asked."""

    def __init__(self, code: str, details: str) -> None:
        self.code = code
        super().__init__(f"{code}: {details}")


def send_git_push_event(project_id: int, full_path: str) -> None:
    """Tell kas that a project was pushed to. Raises KasError."""
    request = GitPushEventRequest()
    request.event.project.id, request.event.project.full_path = project_id, full_path
    breaker = _breaker(settings.KAS_ADDRESS)
    try:
        breaker.admit()
    except CircuitOpenError as error:
        raise KasError("SKIPPED", "kas has not answered recently") from error
    call = _channel().unary_unary(
        _GIT_PUSH_EVENT,
        request_serializer=GitPushEventRequest.SerializeToString,
        response_deserializer=GitPushEventResponse.FromString,
    )
    try:
        call(request, timeout=settings.KAS_TIMEOUT, metadata=(("authorization", f"bearer {token()}"),))
    except grpc.RpcError as error:
        code = error.code()
        is_away = code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
        (breaker.failed if is_away else breaker.succeeded)()
        raise KasError(code.name, error.details() or "") from error
    except BaseException:
        breaker.failed()
        raise
    breaker.succeeded()


def wait_until_reachable(seconds: float) -> bool:
    """Whether a connection to kas is there within so many seconds; nothing is asked."""
    try:
        grpc.channel_ready_future(_channel()).result(timeout=seconds)
    except grpc.FutureTimeoutError:
        return False
    return True


def token() -> str:
    """A token of kas' API: HS256 under the secret that both share."""
    now = int(time.time())
    claims = {
        "aud": AUDIENCE,
        "iss": urlsplit(settings.EXTERNAL_URL).hostname or "localhost",
        "iat": now,
        "nbf": now - TOKEN_SECONDS,
        "exp": now + TOKEN_SECONDS,
    }
    return jwt.encode(claims, _secret(), algorithm="HS256")


def _secret() -> bytes:
    """The secret of `api.listen.authentication_secret_file`: a file of its own, or the one of the other direction.

    Raises UnusableSecretError and OSError for a file that holds none.
    """
    path = settings.KAS_API_SECRET_FILE
    return service_secrets(KAS)[0] if path is None else KAS.secret_from(Path(path).read_text())


def _channel() -> grpc.Channel:
    """Kept for as long as the process lives. A forked process makes its own: a channel does not survive a fork."""
    key = (os.getpid(), settings.KAS_ADDRESS)
    with _lock:
        channel = _channels.get(key)
        if channel is None:
            channel = _channels[key] = _open(settings.KAS_ADDRESS)
        return channel


def _open(address: str) -> grpc.Channel:
    scheme, _, target = address.partition("://")
    if scheme == "grpc":
        return grpc.insecure_channel(target, options=_OPTIONS)
    authorities = os.environ.get("SSL_CERT_FILE")
    certificates = Path(authorities).read_bytes() if authorities else None
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(certificates), options=_OPTIONS)


@lru_cache(maxsize=8)
def _breaker(address: str) -> CircuitBreaker:
    return CircuitBreaker(FAILURES, PAUSE)
