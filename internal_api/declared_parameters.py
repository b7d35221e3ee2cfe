"""Parameters that an endpoint declares: all that is wrong with them is told at once, in the order in which they are read.

Contract: shell-endpoints 1.5, kubernetes-agent 0.3 and 8.8 (what is said of the parts of something missing or of the wrong type).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from internal_api.errors import BadRequestError
from internal_api.parameters import LARGEST_ID, Parameters

_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)


class InvalidParametersError(BadRequestError):
    """Declared parameters that are missing or of the wrong type; the body has the sentence under `error`."""


class DeclaredParameters:
    """The parameters of a request, or of an object inside it. Reads one after the other, and complains of all together in `check`."""

    def __init__(self, values: Any, label: str = "", complaints: list[str] | None = None) -> None:
        self.is_malformed = not isinstance(values, Mapping) and values is not None
        self.values: Mapping[str, Any] = values if isinstance(values, Mapping) else {}
        self.label = label
        self.complaints = [] if complaints is None else complaints

    @classmethod
    def of(cls, parameters: Parameters) -> "DeclaredParameters":
        """Those of a whole request."""
        return cls(parameters.values)

    def complain(self, name: str, problem: str) -> None:
        """Remember that something is wrong with a parameter."""
        self.complaints.append(f"{self.label}[{name}] is {problem}" if self.label else f"{name} is {problem}")

    def check(self) -> None:
        """Raise InvalidParametersError when there is anything to complain of."""
        if self.complaints:
            raise InvalidParametersError(", ".join(self.complaints))

    def require(self, name: str) -> None:
        """Complain of an absent parameter; of a part of something that is no object, in both ways."""
        if self.values.get(name) is None:
            self.complain(name, "missing")
            if self.is_malformed:
                self.complain(name, "invalid")

    def required_text(self, name: str) -> str:
        """A string; absent or of another type, it is complained of, and empty."""
        self.require(name)
        return self.optional_text(name) or ""

    def optional_text(self, name: str) -> str | None:
        """A string, or a number as its digits."""
        value = self.values.get(name)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.complain(name, "invalid")
            return None
        return str(value)

    def required_integer(self, name: str) -> int:
        """A number; absent or malformed, it is complained of, and 0."""
        self.require(name)
        return self.optional_integer(name) or 0

    def optional_integer(self, name: str) -> int | None:
        """A number of 64 bits, which protobuf and forms send as its digits; a fraction is cut off."""
        value = self.values.get(name)
        if value is None or value == "":
            return None
        number = _integer(value)
        if number is None:
            self.complain(name, "invalid")
        return number

    def optional_integers(self, name: str) -> list[int]:
        """A list of such numbers; one bad one spoils the list."""
        value = self.values.get(name)
        numbers = [] if value is None else [_integer(item) for item in value] if isinstance(value, list) else [None]
        if None in numbers:
            self.complain(name, "invalid")
        return [number for number in numbers if number is not None]

    def required_texts(self, name: str) -> list[str]:
        """A list of strings, or of numbers as their digits."""
        self.require(name)
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, str | int) and not isinstance(item, bool) for item in value):
            self.complain(name, "invalid")
            return []
        return [str(item) for item in value]

    def optional_object(self, name: str) -> "DeclaredParameters":
        """An object and its parts; absent is empty."""
        found = DeclaredParameters(self.values.get(name), f"{self.label}[{name}]" if self.label else name, self.complaints)
        if found.is_malformed:
            self.complain(name, "invalid")
        return found

    def required_object(self, name: str) -> "DeclaredParameters":
        """An object and its parts, which are asked for even when it is absent."""
        self.require(name)
        return self.optional_object(name)

    def optional_objects(self, name: str) -> "Sequence[DeclaredParameters]":
        """A list of objects; the parts of each are told by its place."""
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.complain(name, "invalid")
            return []
        label = f"{self.label}[{name}]" if self.label else name
        items = [DeclaredParameters(item, f"{label}[{index}]", self.complaints) for index, item in enumerate(value)]
        if any(item.is_malformed for item in items):
            self.complain(name, "invalid")
        return items


def _integer(value: Any) -> int | None:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and abs(value) <= LARGEST_ID:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > LARGEST_ID:
        return None
    return value
