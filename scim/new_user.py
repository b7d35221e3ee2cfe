"""What a POST says of a user (contract: scim 1.7). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scim.patch import active_state, boolean, decoded, identifier


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to provision; None for what was not sent."""

    extern_uid: str | None
    username: str | None
    email: str | None
    name: str

    @property
    def missing(self) -> list[str]:
        """What has to be there and is not; blank is there."""
        values = {"extern_uid": self.extern_uid, "email": self.email, "username": self.username}
        return [name for name, value in values.items() if value is None]


def read_new_user(body: Mapping[str, Any]) -> NewUser:
    """The user in a body; names of attributes in any letter case, null is absent. Raises InvalidActiveError.

    What `active` says changes nothing, but it has to be true or false (contract: scim D10, decisions 22).
    """
    values = {name.lower(): value for name, value in body.items() if value is not None}
    active_state(values.get("active"))
    uid = identifier(values.get("externalid"))
    return NewUser(
        extern_uid=_unquoted(uid if uid is not None else identifier(values.get("id"))),
        username=_unquoted(identifier(values.get("username"))),
        email=_work_email(decoded(values.get("emails"))),
        name=_name(values).strip(),
    )


def _unquoted(text: str | None) -> str | None:
    return text.strip('"') if text is not None else None


def _work_email(emails: Any) -> str | None:
    """The first work or primary address; clients send one as an object too."""
    for entry in emails if isinstance(emails, list) else [emails]:
        if isinstance(entry, Mapping) and (str(entry.get("type", "")).lower() == "work" or boolean(entry.get("primary"))):
            return identifier(entry.get("value"))
    return None


def _name(values: Mapping[str, Any]) -> str:
    flat = identifier(values.get("name.formatted"))
    name = decoded(values.get("name"))
    parts = {str(part).lower(): item for part, item in name.items()} if isinstance(name, Mapping) else {}
    formatted = identifier(parts.get("formatted")) or flat or ""
    if formatted.strip():
        return formatted
    both = " ".join(text for part in ("givenname", "familyname") if (text := (identifier(parts.get(part)) or "").strip()))
    return both or identifier(values.get("displayname")) or ""
