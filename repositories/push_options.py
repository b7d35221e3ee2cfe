"""Push options: `git push -o key=value`, as people give them and as a push event keeps them (contract: allowed 7.4)."""

from collections.abc import Iterable
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


def parse_push_options(options: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The options that are known, by namespace. Of a key given twice the last counts; keys that may repeat are counted by value."""
    parsed: dict[str, dict[str, Any]] = {}
    for option in options:
        namespace, dot, rest = option.partition(".")
        namespace = _ALIASES.get(namespace.strip(), namespace.strip())
        key, _, value = rest.partition("=")
        key, value = key.strip(), value.strip()
        if not dot:
            continue
        if key in _SINGLE.get(namespace, ()):
            parsed.setdefault(namespace, {})[key] = value or True
        elif key in _MULTIPLE.get(namespace, ()):
            counted = parsed.setdefault(namespace, {}).setdefault(key, {})
            counted[value] = counted.get(value, 0) + 1
    return parsed


def warning(options: Iterable[str], problem: str) -> str:
    """What the pusher reads when options cannot be followed."""
    quoted = " ".join(f"'{option}'" for option in options)
    return f"WARNINGS:\nError encountered with push options {quoted}: {problem}"
