"""Push options: `git push -o key=value`, as people give them and as a push event keeps them (contract: allowed 7.4)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_SINGLE = {
    "ci": {"skip"},
    "merge_request": {
        "create", "target", "target_project", "title", "description", "draft", "milestone", "merge_when_pipeline_succeeds", "auto_merge",
        "remove_source_branch", "squash",
    },
    "integrations": {"skip_ci"},
    "secret_push_protection": {"skip_all"},
    "secret_detection": {"skip_all"},
    "security_policy": {"bypass_reason"},
}  # fmt: skip
_MULTIPLE = {"ci": {"variable", "input"}, "merge_request": {"label", "unlabel", "assign", "unassign"}}
_ALIASES = {"mr": "merge_request"}
_NEED_A_VALUE = {
    "merge_request": {"target", "target_project", "title", "description", "milestone", "label", "unlabel", "assign", "unassign"},
}
MERGE_REQUEST = "merge_request"


@dataclass(frozen=True, slots=True)
class PushOption:
    """One option whose namespace and key are known, with its value, which may be empty."""

    namespace: str
    key: str
    value: str

    @property
    def lacks_value(self) -> bool:
        """Whether the option means nothing without a value and has none."""
        return not self.value and self.key in _NEED_A_VALUE.get(self.namespace, ())


def _known_options(options: Iterable[str]) -> Iterator[PushOption]:
    """The options that are known; upstream ignores all others silently (contract: allowed 7.4)."""
    for option in options:
        namespace, dot, rest = option.partition(".")
        namespace = _ALIASES.get(namespace.strip(), namespace.strip())
        key, _, value = rest.partition("=")
        key = key.strip()
        if dot and (key in _SINGLE.get(namespace, ()) or key in _MULTIPLE.get(namespace, ())):
            yield PushOption(namespace, key, value.strip())


def parse_push_options(options: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the options that are known and well-formed, by namespace.

    Of a key given twice the last counts; keys that may repeat are counted by value.
    """
    parsed: dict[str, dict[str, Any]] = {}
    for option in _known_options(options):
        if option.lacks_value:
            continue
        values = parsed.setdefault(option.namespace, {})
        value = option.value.replace("\\n", "\n") if (option.namespace, option.key) == (MERGE_REQUEST, "description") else option.value
        if option.key in _SINGLE[option.namespace]:
            values[option.key] = value or True
        else:
            counted = values.setdefault(option.key, {})
            counted[value] = counted.get(value, 0) + 1
    return parsed


def merge_request_warning(options: Iterable[str], problem: str) -> str | None:
    """Return the warning that merge request options have no effect because of `problem`; None where there are none.

    All options of the push are named, as upstream names them (contract: allowed 7.4). What is wrong with the form of one is added.
    """
    raw = list(options)
    found = [option for option in _known_options(raw) if option.namespace == MERGE_REQUEST]
    if not found:
        return None
    malformed = [f"{MERGE_REQUEST}.{option.key} needs a value" for option in found if option.lacks_value]
    quoted = " ".join(f"'{option}'" for option in raw)
    problems = "\n\n".join([problem, *dict.fromkeys(malformed)])
    return f"WARNINGS:\nError encountered with push options {quoted}: {problems}"
