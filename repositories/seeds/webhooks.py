"""`webhooks` of the instance, groups and projects in a seed file."""

from typing import Any

from internal_api.models import InstanceSettings
from internal_api.seeding import Entry, Report, SeedError, register_key
from internal_api.seeding.entries import boolean, children, optional, text, texts
from internal_api.seeding.rows import checked, update
from internal_api.stored_values import create_row
from repositories.models import WEBHOOK_EVENTS, Namespace, Project, Webhook


def _events(value: Any, path: str) -> dict[str, bool]:
    names = texts(value, path)
    for index, name in enumerate(names):
        if name not in WEBHOOK_EVENTS:
            raise SeedError(f"{path}[{index}]", f"is not one of: {', '.join(WEBHOOK_EVENTS)}")
    return {column: event in names for event, column in WEBHOOK_EVENTS.items()}


def load_webhooks(report: Report, place: Namespace | Project | InstanceSettings, entry: Entry, key: str) -> None:
    """Make or change webhooks; within its place an address is told once."""
    where: dict[str, Any] = {
        "namespace": place if isinstance(place, Namespace) else None,
        "project": place if isinstance(place, Project) else None,
        "instance": isinstance(place, InstanceSettings),
    }
    for child in children(entry.values[key], entry.at(key), {"url", "token", "events", "active"}):
        url = child.read("url", checked(Webhook, "url", text))
        row = Webhook.objects.filter(url=url, **where).first()
        if child.is_absent:
            if row is not None:
                row.delete()
            report.count("webhooks", "unchanged" if row is None else "removed")
            continue
        values = child.fields({"token": optional(checked(Webhook, "token", text)), "active": boolean})
        if "events" in child:
            values |= child.read("events", _events)
        if row is None:
            create_row(Webhook, url=url, **where, **values)
            report.count("webhooks", "created")
        else:
            report.changed("webhooks", update(row, values))


def register() -> None:
    """Make the keys known."""
    for section in ("instance", "groups", "projects"):
        register_key(section, "webhooks", 150, load_webhooks)
