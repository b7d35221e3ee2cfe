"""Who makes the changes of the present thread, for the audit log: an administrator, a command, a caller of the API, a worker.

The outermost layer of requests and the base class of commands say so once; nothing below has to pass it on. A request is
looked at only when a change is recorded, so that requests that change nothing pay for one context variable.
"""

import os
import pwd
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Any

from django.http import HttpRequest

from internal_api.logs import correlation_id, noted
from internal_api.peers import peer_of


class ActorKind(StrEnum):
    """By what way a change was made."""

    ADMINISTRATOR = "administrator"
    COMMAND = "command"
    TOKEN = "token"  # noqa: S105  a kind of actor: a user's personal access token
    SCIM = "scim"
    SERVICE = "service"
    AGENT = "agent"
    ANONYMOUS = "anonymous"
    WORKER = "worker"
    SYSTEM = "system"


OPERATORS = frozenset({ActorKind.ADMINISTRATOR, ActorKind.COMMAND, ActorKind.TOKEN})
"""Those who change something because somebody wanted it, not because a repository did."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a caller is: a user's id and name where there is one, and the credential that proved it, never the secret itself."""

    kind: ActorKind
    id: int | None = None
    name: str = ""
    credential: str = ""


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever makes a change, from which IP address, by which command or request."""

    identity: Identity
    ip_address: str = ""
    operation: str = ""


_acting: ContextVar[HttpRequest | Actor | None] = ContextVar("acting", default=None)


def start_request(request: HttpRequest) -> Token[HttpRequest | Actor | None]:
    """Let changes be made by whoever this request turns out to come from; `end_request` takes the token."""
    return _acting.set(request)


def end_request(token: Token[HttpRequest | Actor | None]) -> None:
    """Forget the request."""
    _acting.reset(token)


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Let the changes made inside be this actor's; they share a correlation id."""
    identifier = correlation_id.set(correlation_id.get() or uuid.uuid4().hex)
    token = _acting.set(actor)
    try:
        yield
    finally:
        _acting.reset(token)
        correlation_id.reset(identifier)


def current_actor() -> Actor:
    """Return who makes changes now; the process's own user where no request and no command was named."""
    present = _acting.get()
    if isinstance(present, Actor):
        return present
    if present is None:
        return Actor(Identity(ActorKind.SYSTEM, credential=f"OS user {os_user()}"))
    return _of_request(present)


def _of_request(request: Any) -> Actor:
    # What authentication leaves on a request (a user, a token, a caller) says who it is by `audit_identity`.
    authenticated = getattr(request, "auth", None) or getattr(request, "user", None)
    identify = getattr(authenticated, "audit_identity", None)
    identity: Identity = identify() if identify is not None else Identity(ActorKind.ANONYMOUS)
    if identity.kind == ActorKind.SERVICE and not identity.name:
        identity = Identity(identity.kind, identity.id, str(noted(request).get("actor") or ""), identity.credential)
    return Actor(identity, peer_of(request.META), f"{request.method} {request.path_info}")


def os_user() -> str:
    """Return the name of the user who runs this process; the environment, which anybody can set, is not asked."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run under a number without a name
        return str(os.getuid())


def command_actor(name: str, kind: ActorKind = ActorKind.COMMAND) -> Actor:
    """Return whoever runs a command: the OS user, who sudo was asked by, and the address an SSH session came from.

    The last two come from the environment and are as trustworthy as the person who may run commands.
    """
    sudo_user = os.environ.get("SUDO_USER", "")
    credential = f"OS user {os_user()}" + (f", sudo by {sudo_user}" if sudo_user else "")
    return Actor(Identity(kind, credential=credential), _ssh_client(), name)


def _ssh_client() -> str:
    client = os.environ.get("SSH_CONNECTION", "").partition(" ")[0]
    try:
        return str(ip_address(client)) if client else ""
    except ValueError:
        return ""
