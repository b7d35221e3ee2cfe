"""`error_tracking_keys` of projects in a seed file."""

from collections.abc import Sequence
from functools import partial

from internal_api.seeding import Entry, Report, register_key
from internal_api.seeding.entries import boolean, children, text
from internal_api.seeding.rows import checked, distinct, update
from internal_api.seeding.together import Child, load_children, values_of
from internal_api.stored_values import create_row
from repositories.models import ErrorTrackingKey, Project


def load_keys(report: Report, project: Project, entry: Entry, key: str) -> None:
    """Make or change the project's error tracking keys."""
    for child in children(entry.values[key], entry.at(key), {"public_key", "active"}):
        public_key = child.read("public_key", checked(ErrorTrackingKey, "public_key", text))
        row = ErrorTrackingKey.objects.filter(project=project, public_key=public_key).first()
        if child.is_absent:
            if row is not None:
                row.delete()
            report.count("error_tracking_keys", "unchanged" if row is None else "removed")
        elif row is None:
            create_row(ErrorTrackingKey, project=project, public_key=public_key, active=child.get("active", boolean, default=True))
            report.count("error_tracking_keys", "created")
        else:
            report.changed("error_tracking_keys", update(row, child.fields({"active": boolean})))


def load_keys_of_many(report: Report, waiting: Sequence[tuple[Project, Entry]], key: str) -> None:
    """The same for some projects."""
    rows = ErrorTrackingKey.objects.filter(project__in=[project for project, _ in waiting])
    present = {(row.project_id, row.public_key): row for row in rows}
    found = [
        (project, child) for project, entry in waiting for child in children(entry.values[key], entry.at(key), {"public_key", "active"})
    ]
    public_key = checked(ErrorTrackingKey, "public_key", text)
    names = distinct((project.pk, child.read("public_key", public_key)) for project, child in found)
    load_children(
        report,
        "error_tracking_keys",
        [
            Child(child, present.get(name), values, partial(ErrorTrackingKey, project=project, public_key=name[1], **values))
            for (project, child), name in zip(found, names, strict=True)
            for values in [values_of(child, partial(child.fields, {"active": boolean}))]
        ],
    )


def register() -> None:
    """Make the key known."""
    register_key("projects", "error_tracking_keys", 140, load_keys, load_many=load_keys_of_many)
