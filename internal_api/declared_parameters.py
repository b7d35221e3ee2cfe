"""Parameters that an endpoint declares: all that is wrong with them is told at once (contract: shell-endpoints 1.5)."""

import re
from typing import Any

from internal_api.errors import BadRequestError
from internal_api.parameters import LARGEST_ID, Parameters

_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)


class InvalidParametersError(BadRequestError):
    """Declared parameters that are missing or of the wrong type; the body has the sentence under `error`."""


class DeclaredParameters:
    """Reads one parameter after the other, and complains of all of them together in `check`."""

    def __init__(self, parameters: Parameters) -> None:
        self.values = parameters.values
        self.complaints: list[str] = []

    def required_text(self, name: str) -> str:
        """A string; absent or of another type, it is complained of, and empty."""
        value = self.values.get(name)
        if value is None:
            self.complaints.append(f"{name} is missing")
            return ""
        return self.optional_text(name) or ""

    def optional_text(self, name: str) -> str | None:
        """A string, or a number as its digits."""
        value = self.values.get(name)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.complaints.append(f"{name} is invalid")
            return None
        return str(value)

    def optional_object(self, name: str) -> dict[str, Any]:
        """An object; absent is empty."""
        value = self.values.get(name)
        if value is None or isinstance(value, dict):
            return value or {}
        self.complaints.append(f"{name} is invalid")
        return {}

    def optional_integer(self, name: str, *, inside: str | None = None) -> int | None:
        """A number of 64 bits, which a form sends as its digits; `inside` names the object that it is in."""
        values, shown = (self.values, name) if inside is None else (self.values.get(inside), f"{inside}[{name}]")
        value = values.get(name) if isinstance(values, dict) else None
        if value is None or value == "":
            return None
        if isinstance(value, str) and _INTEGER.fullmatch(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > LARGEST_ID:
            self.complaints.append(f"{shown} is invalid")
            return None
        return value

    def check(self) -> None:
        """Raise InvalidParametersError when there is anything to complain of."""
        if self.complaints:
            raise InvalidParametersError(", ".join(self.complaints))
