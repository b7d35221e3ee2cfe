"""`webhooks` of the instance, groups and projects in a seed file."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from internal_api.models import InstanceSettings
from internal_api.seeding import Entry, Report, SeedError, register_key
from internal_api.seeding.entries import boolean, children, optional, text, texts
from internal_api.seeding.rows import checked, distinct, update
from internal_api.seeding.together import Child, load_children, values_of
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
        values = _values(child)
        if row is None:
            create_row(Webhook, url=url, **where, **values)
            report.count("webhooks", "created")
        else:
            report.changed("webhooks", update(row, values))


def load_webhooks_of_many(report: Report, waiting: Sequence[tuple[Any, Entry]], key: str) -> None:
    """The same for some places: webhooks are read together, and new ones are made together."""
    column = {Namespace: "namespace", Project: "project"}.get(type(waiting[0][0]))
    places = {f"{column}__in": [place for place, _ in waiting]} if column else {"instance": True}
    present = {(getattr(row, f"{column}_id") if column else None, row.url): row for row in Webhook.objects.filter(**places)}
    known = {"url", "token", "events", "active"}
    found = [(place, child) for place, entry in waiting for child in children(entry.values[key], entry.at(key), known)]
    urls = distinct((place.pk if column else None, child.read("url", checked(Webhook, "url", text))) for place, child in found)
    load_children(
        report,
        "webhooks",
        [
            Child(
                child,
                present.get(url),
                values,
                partial(Webhook, url=url[1], **({column: place} if column else {"instance": True}), **values),
            )
            for (place, child), url in zip(found, urls, strict=True)
            for values in [values_of(child, partial(_values, child))]
        ],
    )


def _values(entry: Entry) -> dict[str, Any]:
    values = entry.fields({"token": optional(checked(Webhook, "token", text)), "active": boolean})
    return {**values, **entry.get("events", _events, {})}


def register() -> None:
    """Make the keys known."""
    for section in ("instance", "groups", "projects"):
        register_key(section, "webhooks", 150, load_webhooks, load_many=load_webhooks_of_many)
