"""Ids that a file chooses: sequences are moved past them before any row is made, so that no other row can take them."""

from collections.abc import Iterable

from django.db import connection
from django.db.models import Max, Model


def reserve_ids(model: type[Model], ids: Iterable[int]) -> None:
    """Let ids that are given out by the database start after these and after those in use."""
    highest = max(ids, default=0)
    in_use = model._default_manager.aggregate(highest=Max("pk"))["highest"] or 0  # noqa: SLF001  Django's public name for it
    if highest <= 0:
        return
    table = model._meta.db_table  # noqa: SLF001  likewise
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), GREATEST(%s, %s))", [f'"{table}"', highest, in_use])
        else:
            cursor.execute("UPDATE sqlite_sequence SET seq = max(seq, %s) WHERE name = %s", [highest, table])
            cursor.execute(
                "INSERT INTO sqlite_sequence (name, seq) SELECT %s, %s WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = %s)",
                [table, highest, table],
            )
