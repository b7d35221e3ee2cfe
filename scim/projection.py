"""`attributes` and `excludedAttributes`: which parts of a resource are wanted (RFC 7644 3.9; contract: scim D30). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ALWAYS = frozenset({"schemas", "id"})
_PREFIXES = ("urn:ietf:params:scim:schemas:core:2.0:user:", "urn:ietf:params:scim:schemas:core:2.0:group:")


def _names(text: str | None) -> frozenset[str]:
    names = (name.strip().lower() for name in (text or "").split(","))
    return frozenset(_bare(name) for name in names if name)


def _bare(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


@dataclass(frozen=True, slots=True)
class Projection:
    """Names in small letters; when some are wanted, those alone, else all but the excluded ones."""

    wanted: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()

    @classmethod
    def of(cls, attributes: str | None, excluded_attributes: str | None) -> "Projection":
        """From the two parameters."""
        return cls(_names(attributes), _names(excluded_attributes))

    @property
    def is_asked_for(self) -> bool:
        return bool(self.wanted or self.excluded)

    def wants(self, name: str) -> bool:
        """Whether a whole attribute is shown; its parts may be asked for alone."""
        name = name.lower()
        if name in _ALWAYS:
            return True
        return self._is_named(name) or self._has_named_part(name) if self.wanted else name not in self.excluded

    def _is_named(self, name: str) -> bool:
        return name in self.wanted

    def _has_named_part(self, name: str) -> bool:
        return any(wanted.startswith(f"{name}.") for wanted in self.wanted)

    def apply(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        """The resource with what is wanted of it."""
        if not self.is_asked_for:
            return dict(resource)
        return {name: self._part(name, value) for name, value in resource.items() if self.wants(name)}

    def _part(self, name: str, value: Any) -> Any:
        if isinstance(value, list):
            return [self._part(name, item) for item in value]
        if not isinstance(value, Mapping) or name.lower() in self.wanted:
            return value
        return {part: item for part, item in value.items() if self._wants_part(f"{name}.{part}".lower(), name.lower())}

    def _wants_part(self, full: str, name: str) -> bool:
        if name in _ALWAYS:
            return True
        return full in self.wanted if self.wanted else full not in self.excluded
