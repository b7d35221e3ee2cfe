"""PATCH bodies, from operations to changes (contract: scim 1.8, D12, D13, D18). Pure.

Clients write `Replace`, `Add` and even `Update`, booleans as texts, values in lists or objects, operations as a text of JSON,
and leave the path out. Whatever is not about `active` or the external id changes nothing and is no error. `active` that is
neither true, false nor null is an error.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from internal_api.json_input import InvalidJSONError, decode_embedded

_OPERATIONS = frozenset({"add", "replace", "update"})
_CORE = "urn:ietf:params:scim:schemas:core:2.0:user:"
_EXTERN_UID = frozenset({"id", "externalid"})
_MEMBER = re.compile(r"""members\[\s*value\s+eq\s+(?:"([^"]*)"|'([^']*)')\s*\]""", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a request changes; None where it says nothing."""

    active: bool | None = None
    extern_uid: str | None = None


def decoded(value: Any) -> Any:
    """A list or an object that may have come as a text of JSON; the text itself when it is none."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return decode_embedded(value)
        except InvalidJSONError:
            return value
    return value


class InvalidActiveError(ValueError):
    """`active` is given as something that is neither true nor false."""


class MalformedOperationsError(ValueError):
    """Operations, or the value of one, are JSON in a string that cannot be read."""


def active_state(value: Any) -> bool | None:
    """Return what `active` says; null says nothing (contract: decisions 22).

    Raises InvalidActiveError for whatever is no boolean and no word for one: a deactivation must not get lost in silence.
    """
    if isinstance(value, Mapping) and "value" not in value:
        raise InvalidActiveError
    if isinstance(value, list) and len(value) == 1:
        return active_state(value[0])
    if _unwrapped(value) is None:
        return None
    said = boolean(value)
    if said is None:
        raise InvalidActiveError
    return said


def boolean(value: Any) -> bool | None:
    """True or false, which clients also write as texts; None for anything else."""
    value = _unwrapped(value)
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().strip("\"'").lower())
    return value if isinstance(value, bool) else None


def identifier(value: Any) -> str | None:
    """A text, or a number as its digits."""
    value = _unwrapped(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def _unwrapped(value: Any) -> Any:
    """A value in a list of one, or in an object under `value`, as some clients send it."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value.get("value") if isinstance(value, Mapping) else value


def patch_changes(body: Mapping[str, Any]) -> Changes:
    """What a PATCH asks for; later operations win. Raises InvalidActiveError and MalformedOperationsError."""
    return _changes(_assignments(body))


def resource_changes(body: Mapping[str, Any]) -> Changes:
    """What a whole resource, as PUT sends it, asks for; its `id` is the server's and changes nothing. Raises InvalidActiveError."""
    return _changes((name, value) for name, value in body.items() if name.lower() != "id")


def _readable(value: Any) -> Any:
    """Return `decoded(value)`. Raises MalformedOperationsError: a deactivation must not get lost in silence."""
    found = decoded(value)
    if found is value and isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        raise MalformedOperationsError
    return found


def _assignments(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    operations = _readable(next((value for name, value in body.items() if name.lower() == "operations"), None))
    for operation in operations if isinstance(operations, list) else []:
        if not isinstance(operation, Mapping) or str(operation.get("op", "")).lower() not in _OPERATIONS:
            continue
        path, value = operation.get("path"), operation.get("value")
        if isinstance(path, str) and path:
            yield path, value
        elif isinstance(found := _readable(value), Mapping):
            yield from found.items()


def _changes(assignments: Iterable[tuple[str, Any]]) -> Changes:
    active, extern_uid = None, None
    for name, value in assignments:
        attribute = name.lower().removeprefix(_CORE)
        if attribute == "active" and (said := active_state(value)) is not None:
            active = said
        elif attribute in _EXTERN_UID and (uid := identifier(value)) is not None:
            extern_uid = uid
    return Changes(active, extern_uid)


@dataclass(frozen=True, slots=True)
class MemberOperation:
    """People added to a group, or removed; `values` is None for all."""

    op: str
    values: tuple[str, ...] | None


def member_operations(operations: Iterable[Mapping[str, Any]]) -> Iterator[MemberOperation]:
    """What a PATCH of a group says of its members; anything else is passed over (contract: scim 1.10, D35)."""
    for operation in operations:
        op, path, value = str(operation.get("op", "")).lower(), operation.get("path"), decoded(operation.get("value"))
        if isinstance(path, str) and (named := _MEMBER.fullmatch(path.strip())):
            yield MemberOperation(op, (named[1] if named[1] is not None else named[2],))
        elif isinstance(path, str) and path.lower() == "members":
            yield MemberOperation(op, None if op == "remove" and value is None else _member_values(value))
        elif not path and isinstance(value, Mapping):
            members = next((item for name, item in value.items() if name.lower() == "members"), None)
            if members is not None:
                yield MemberOperation(op, _member_values(members))


def _member_values(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    found = (identifier(item) for item in items)
    return tuple(item for item in found if item)
