"""Pages of a list, told in headers (contract: shell-endpoints 14.5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from internal_api.declared_parameters import DeclaredParameters

DEFAULT, LARGEST = 20, 100
COUNTED_UP_TO = 10_000


@dataclass(frozen=True, slots=True)
class Page:
    """Which page, counted from 1, and how long."""

    number: int
    size: int

    @classmethod
    def of(cls, declared: DeclaredParameters) -> "Page":
        """From `page` and `per_page`. Raises InvalidParametersError."""
        number = _read(declared, "page", 1)
        size = _read(declared, "per_page", DEFAULT)
        declared.check()
        return cls(number, min(size, LARGEST))


def _read(declared: DeclaredParameters, name: str, default: int) -> int:
    value = declared.optional_integer(name)
    if value is not None and value < 1:
        declared.complaints.append(
            f"{name} has a value not allowed" if name == "per_page" and value == 0 else f"{name} does not have a valid value"
        )
    return default if value is None else value


def paginated(rows: QuerySet[Any], page: Page, path: str) -> tuple[Sequence[Any], dict[str, str]]:
    """The rows of a page, and the headers; a count above 10,000 is not told."""
    total = rows[: COUNTED_UP_TO + 1].count()
    offset = (page.number - 1) * page.size
    shown = list(rows[offset : offset + page.size]) if offset <= 2**31 else []
    pages = max(-(-total // page.size), 1)
    is_counted = total <= COUNTED_UP_TO
    following = page.number + 1 if page.number < pages else None
    previous = page.number - 1 if page.number > 1 else None
    headers = {
        "X-Per-Page": str(page.size),
        "X-Page": str(page.number),
        "X-Next-Page": str(following or ""),
        "X-Prev-Page": str(previous or ""),
    }
    links = [("prev", previous), ("next", following), ("first", 1)]
    if is_counted:
        headers |= {"X-Total": str(total), "X-Total-Pages": str(pages)}
        links.append(("last", pages))
    address = f"{settings.EXTERNAL_URL}{path}"
    headers["Link"] = ", ".join(
        f'<{address}?page={number}&per_page={page.size}>; rel="{name}"' for name, number in links if number is not None
    )
    return shown, headers
