"""Lists of e-mail domains."""

LONGEST = 253


def domain_problem(text: str) -> str | None:
    """What is wrong with the part of e-mail addresses after the `@`, as a sentence that names it; None for nothing."""
    labels = text.split(".")
    is_plausible = len(text) <= LONGEST and all(label and _is_label(label) for label in labels)
    return None if is_plausible else f"{text!r} is not a domain such as example.com"


def _is_label(label: str) -> bool:
    return not label.startswith("-") and not label.endswith("-") and all(one.isalnum() or one in "-_" for one in label)
