"""What the admin site's front page shows: panels that the apps register."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.db.models import Sum
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from internal_api.models import RefusedPeer
from internal_api.registrations import load_registrations
from internal_api.shared_store import StoreState, shared_store
from internal_api.workers import LONG_WAIT, queue_state


@dataclass(frozen=True, slots=True)
class Line:
    """One fact; `is_bad` marks what needs somebody, `address` is where to look closer."""

    label: str
    value: str
    is_bad: bool = False
    address: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A few facts about one thing, perhaps with a chart whose numbers are among the lines."""

    title: str
    lines: Sequence[Line] = field(default_factory=tuple)
    chart: SafeString | None = None


_panels: dict[str, tuple[int, Callable[[], Panel]]] = {}


def register_panel(name: str, order: int, show: Callable[[], Panel]) -> None:
    """Make a panel known; those of a lower order come first."""
    _panels[name] = (order, show)


def panels() -> list[Panel]:
    """All of them, as they are now."""
    load_registrations("front_page")
    return [show() for _, show in sorted(_panels.values(), key=lambda item: item[0])]


def _health() -> Panel:
    state = shared_store().state()
    refused = RefusedPeer.objects.filter(day=timezone.now().date()).aggregate(number=Sum("number"))["number"] or 0
    peers = Line("Tokens refused today", str(refused), address=reverse("admin:internal_api_refusedpeer_changelist"))
    database = Line("Database", "answers")  # or this page would not be there
    store = Line("Shared store", "answers" if state is StoreState.READY else state.value, is_bad=state is not StoreState.READY)
    return Panel("Health", (database, store, peers))


def _background_work() -> Panel:
    state = queue_state()
    tasks = reverse("admin:django_tasks_database_dbtaskresult_changelist")
    lines = [
        Line("Workers", str(state.workers), is_bad=not state.workers),
        Line("Tasks waiting", str(state.ready), address=f"{tasks}?status__exact=READY"),
        Line("The oldest waits", f"{state.oldest_seconds:.0f} s", is_bad=state.oldest_seconds > LONG_WAIT),
        Line("Failed for good", str(state.failed), is_bad=bool(state.failed), address=f"{tasks}?status__exact=FAILED"),
    ]
    return Panel("Background work", lines)


def register() -> None:
    """Make the kernel's own panels known."""
    register_panel("health", 0, _health)
    register_panel("background work", 5, _background_work)
