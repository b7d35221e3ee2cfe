"""A stand-in for kas' own gRPC API on a loopback port: it judges tokens as kas does and keeps what it is told.

Shaped by the contract (kubernetes-agent, "What the server tells kas"). What it cannot show: whether a real kas takes the
messages, since both sides here are compiled from one file (tests/kubernetes_agent/kas/test_client.py holds the bytes against
the contract's field numbers), and what kas does with them.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import jwt

METHOD = "/gitlab.agent.notifications.rpc.Notifications/GitPushEvent"


@dataclass
class KasServer:
    """`received` are the bodies of calls that were let in; `before` is called with each first, and may abort it."""

    secret: bytes
    address: str = ""
    received: list[bytes] = field(default_factory=list)
    claims: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0
    before: Callable[[grpc.ServicerContext], None] = lambda context: None

    def answer(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.calls += 1
        self.before(context)
        given = dict(context.invocation_metadata()).get("authorization", "")
        kind, _, token = str(given).partition(" ")
        try:
            claims = jwt.decode(token, self.secret, algorithms=["HS256"], audience="gitlab-kas", options={"require": ["exp", "nbf"]})
        except jwt.InvalidTokenError as error:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))
        if kind.lower() != "bearer":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no bearer")
        self.claims.append(claims)
        self.received.append(request)
        return b""


class _Handler(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic for mypy only, not at run time
    def __init__(self, kas: KasServer) -> None:
        self.kas = kas

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        if handler_call_details.method != METHOD:
            return None  # UNIMPLEMENTED
        return grpc.unary_unary_rpc_method_handler(self.kas.answer)  # bytes, as they are


@contextmanager
def running_kas(secret: bytes, *, port: int = 0, credentials: grpc.ServerCredentials | None = None) -> Iterator[KasServer]:
    """Such a kas for as long as the block runs."""
    kas = KasServer(secret)
    server = grpc.server(ThreadPoolExecutor(4), handlers=[_Handler(kas)])
    listen = f"localhost:{port}"
    bound = server.add_secure_port(listen, credentials) if credentials else server.add_insecure_port(listen)
    kas.address = f"grpc{'s' if credentials else ''}://localhost:{bound}"
    server.start()
    try:
        yield kas
    finally:
        server.stop(None).wait()


def until(event: threading.Event) -> Callable[[grpc.ServicerContext], None]:
    """Let each call wait for an event: a kas that hangs."""

    def wait(context: grpc.ServicerContext) -> None:
        event.wait(60)

    return wait
