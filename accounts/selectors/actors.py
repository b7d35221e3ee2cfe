"""Who is asking: from the parameters of a request to a key and a user (contract: allowed 2, shell-endpoints 1.3)."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from internal_api.parameters import LARGEST_ID, Parameters
from internal_api.statements import fetch_row
from internal_api.text import ascii_lower

_IDENTIFIER = re.compile(r"(user|key)-(\d{1,19})", re.ASCII)
_USERNAME = "username-"


class ActorKind(StrEnum):
    """By what somebody is named."""

    KEY = "key"
    USER = "user"
    USERNAME = "username"
    PRINCIPAL = "krb5principal"
    IDENTIFIED_KEY = "identified_key"


@dataclass(frozen=True, slots=True)
class ActorReference:
    """Somebody, as named by a request; an id of 0 names nobody."""

    kind: ActorKind
    value: int | str


NOBODY = ActorReference(ActorKind.USER, 0)


def actor_reference(parameters: Parameters) -> ActorReference:
    """The first parameter that is present decides, whether or not it matches anything; there is no falling through."""
    if (principal := parameters.text("krb5principal")) is not None:
        return ActorReference(ActorKind.PRINCIPAL, principal)
    if (key_id := parameters.record_id("key_id")) is not None:
        return ActorReference(ActorKind.KEY, key_id)
    if (user_id := parameters.record_id("user_id")) is not None:
        return ActorReference(ActorKind.USER, user_id)
    if (username := parameters.text("username")) is not None:
        return ActorReference(ActorKind.USERNAME, ascii_lower(username))
    if (identifier := parameters.text("identifier")) is not None:
        return identified_actor(identifier)
    return NOBODY


def identified_actor(identifier: str) -> ActorReference:
    """`user-7`, `username-ann`, or `key-7`: the owner of a person's key, or that deploy key. Anything else is nobody."""
    if identifier.startswith(_USERNAME):
        return ActorReference(ActorKind.USERNAME, ascii_lower(identifier.removeprefix(_USERNAME)))
    match = _IDENTIFIER.fullmatch(identifier)
    if match is None or int(match[2]) > LARGEST_ID:
        return NOBODY
    return ActorReference(ActorKind.USER if match[1] == "user" else ActorKind.IDENTIFIED_KEY, int(match[2]))


# A deploy key that belongs to nobody acts as the ghost user.
KEY_OWNER_SQL = "COALESCE(k.user_id, (SELECT min(g.id) FROM accounts_user g WHERE g.user_type = 'ghost'))"
_BY_KEY = f"SELECT k.id AS key_id, {KEY_OWNER_SQL} AS user_id FROM accounts_sshkey k WHERE k.id = %(actor)s AND k.usage_type <> 'signing'"
_BY_USER = "SELECT CAST(NULL AS bigint) AS key_id, u.id AS user_id FROM accounts_user u WHERE "

ACTOR_SQL: dict[ActorKind, str] = {
    ActorKind.KEY: _BY_KEY,
    ActorKind.USER: _BY_USER + "u.id = %(actor)s",
    ActorKind.USERNAME: _BY_USER + "lower(u.username) = %(actor)s",
    ActorKind.PRINCIPAL: _BY_USER + "u.kerberos_principal = %(actor)s",
    ActorKind.IDENTIFIED_KEY: _BY_KEY.replace("k.id AS key_id", "CASE WHEN k.kind = 'deploy_key' THEN k.id END AS key_id"),
}
"""For each way of naming somebody, a statement that finds the ids of the key and the user; parameter `actor`."""

_WHO_SQL = {
    kind: f"SELECT u.id, u.username, u.name FROM ({sql}) actor JOIN accounts_user u ON u.id = actor.user_id"
    for kind, sql in ACTOR_SQL.items()
}


@dataclass(frozen=True, slots=True)
class Person:
    """Whom GitLab Shell greets."""

    id: int
    username: str
    name: str


def find_person(reference: ActorReference) -> Person | None:
    """The user behind a reference, whatever the account's state; None for nobody. One statement."""
    params: dict[str, Any] = {"actor": reference.value}
    row = fetch_row(_WHO_SQL[reference.kind], params)
    return Person(*row) if row else None
