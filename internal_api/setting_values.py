"""What makes a setting of the instance invalid, and how one that was stored all the same is read.

Reading never fails: what cannot be read counts as what restricts most, so that a row nobody should have written neither opens
anything nor stops every request.
"""

import difflib
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from internal_api.ssh_key_types import KEY_TYPES
from internal_api.stored_values import Problem

MOST_BITS = 65_536
LONGEST_NAME = 255
ROLE_NAMES = ("minimal", "guest", "planner", "reporter", "security_manager", "developer", "maintainer", "owner")
STRICT_BITS: Mapping[str, int | None] = {"ssh-rsa": 4096, "ssh-dss": None}
"""The least length by type while not all of the setting can be read; None refuses the type."""
_BROADCAST = ("message", "target_path", "roles", "show_in_cli", "starts_at", "ends_at")
_FLAG_TARGETS = ("projects", "groups", "users")


def _unknown(name: str, known: Collection[str], what: str) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"is not a known {what}{f'; did you mean {near[0]!r}?' if near else ''}"


def _text_problem(value: Any, *, may_be_empty: bool = False) -> str | None:
    if not isinstance(value, str) or not (value.strip() or (may_be_empty and not value)):
        return "is not a text"
    return "has a NUL character or half a surrogate pair" if not _is_storable(value) else None


def _is_storable(text: str) -> bool:
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def key_type_problem(name: str) -> str | None:
    """What is wrong with an allowed type of SSH keys."""
    if name in KEY_TYPES:
        return None
    near = difflib.get_close_matches(name, KEY_TYPES, n=1, cutoff=0.4)
    return f"{name!r} is not a type of SSH key{f'; did you mean {near[0]!r}?' if near else ''}"


def key_bits_problems(value: Any) -> Iterator[Problem]:
    """What is wrong with the least lengths of keys by their types."""
    if not isinstance(value, dict):
        yield "", "is not a mapping of key types to bits"
        return
    for name, bits in value.items():
        if name not in KEY_TYPES:
            yield f".{name}", _unknown(str(name), KEY_TYPES, "type of SSH key")
        elif isinstance(bits, bool) or not isinstance(bits, int) or not 0 <= bits <= MOST_BITS:
            yield f".{name}", f"is not a number from 0 to {MOST_BITS}"


def feature_flags_problems(value: Any) -> Iterator[Problem]:
    """What is wrong with the feature flags."""
    if not isinstance(value, dict):
        yield "", "is not a mapping"
        return
    for name, flag in value.items():
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or not name.isascii() or not name.isprintable() or " " in name:
            yield f".{name}", "is not a name of printable ASCII characters without spaces"
        else:
            yield from _flag_problems(flag, f".{name}")


def _flag_problems(flag: Any, place: str) -> Iterator[Problem]:
    if isinstance(flag, bool):
        return
    if not isinstance(flag, dict):
        yield place, "is not true, false or a mapping"
        return
    for kind, names in flag.items():
        if kind not in _FLAG_TARGETS:
            yield f"{place}.{kind}", _unknown(str(kind), _FLAG_TARGETS, "key")
        elif not isinstance(names, list):
            yield f"{place}.{kind}", "is not a list"
        else:
            texts = ((index, _text_problem(item)) for index, item in enumerate(names))
            yield from ((f"{place}.{kind}[{index}]", problem) for index, problem in texts if problem)


def broadcasts_problems(value: Any) -> Iterator[Problem]:
    """What is wrong with the banners that are shown after a push."""
    if not isinstance(value, list):
        yield "", "is not a list"
        return
    for index, banner in enumerate(value):
        yield from _banner_problems(banner, f"[{index}]")


def _banner_problems(banner: Any, place: str) -> Iterator[Problem]:
    if not isinstance(banner, dict):
        yield place, "is not a mapping"
        return
    if "message" not in banner:
        yield f"{place}.message", "is missing"
    for name, part in banner.items():
        problem = _banner_part_problem(name, part)
        if problem:
            yield f"{place}.{name}", problem


def _banner_part_problem(name: str, part: Any) -> str | None:
    match name:
        case "message":
            return _text_problem(part)
        case "target_path":
            return None if part is None else _text_problem(part, may_be_empty=True)
        case "show_in_cli":
            return None if isinstance(part, bool) else "is not true or false"
        case "roles":
            is_known = isinstance(part, list) and all(isinstance(role, str) and role.lower() in ROLE_NAMES for role in part)
            return None if is_known else f"is not a list of roles: {', '.join(ROLE_NAMES)}"
        case "starts_at" | "ends_at":
            return None if part is None or _is_time(part) else "is not a time such as 2030-01-31T12:00:00Z"
        case _:
            return _unknown(str(name), _BROADCAST, "key")


def _is_time(value: Any) -> bool:
    """Whether it is a time with an offset: one without cannot be compared with now."""
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def readable_key_types(value: Any) -> list[str]:
    """Return the known types of a stored list that has a problem; without any, a list that admits no key."""
    listed = value if isinstance(value, list) else []
    return [name for name in listed if isinstance(name, str) and key_type_problem(name) is None] or [""]


def readable_key_bits(value: Any) -> dict[str, int | None]:
    """Return the lengths of a stored mapping that has a problem; None for a type whose length cannot be read."""
    stored = value if isinstance(value, dict) else {}
    bad = {place.removeprefix(".") for place, _ in key_bits_problems(stored)}
    named = {name: None if name in bad else bits for name, bits in stored.items() if name in KEY_TYPES}
    return {**STRICT_BITS, **named}


def readable_feature_flags(value: Any) -> dict[str, Any]:
    """Return the flags of a stored mapping that has a problem: each that cannot be read is off."""
    stored = value if isinstance(value, dict) else {}
    return {name: flag if next(_flag_problems(flag, ""), None) is None else False for name, flag in stored.items() if isinstance(name, str)}


def readable_broadcasts(value: Any) -> list[Any]:
    """Return the banners of a stored list that has a problem, without those that cannot be read."""
    stored = value if isinstance(value, list) else []
    return [banner for banner in stored if next(_banner_problems(banner, ""), None) is None]
