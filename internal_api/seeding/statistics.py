"""What PostgreSQL's planner knows of the tables that a seed file fills."""

from django.db import connection

LEAST = 1000
"""So many new rows of a table are worth it."""


class PlannerStatistics:
    """Tells the planner how tables grow in a long transaction.

    Autovacuum does not see rows that are not committed, so the planner would take the tables for empty and read them whole in
    each batch: of 100,000 users the last came in at a third of the rate of the first, and their keys at a fifth.
    """

    def __init__(self) -> None:
        self._analyzed: dict[str, int] = {}
        self._entries = 0

    def loaded(self, entries: int) -> None:
        """Look at the tables after so many entries more, now and then."""
        self._entries += entries
        if self._entries >= LEAST and connection.vendor == "postgresql":
            self._entries = 0
            self._refresh()

    def _refresh(self) -> None:
        """Analyze the tables that this transaction has doubled since it analyzed them; nobody is waited for."""
        quote = connection.ops.quote_name
        with connection.cursor() as cursor:
            cursor.execute("SELECT relname, n_tup_ins FROM pg_stat_xact_user_tables WHERE n_tup_ins >= %s", [LEAST])
            grown = {name: rows for name, rows in cursor.fetchall() if rows >= 2 * self._analyzed.get(name, 0)}
            if grown:
                cursor.execute(f"ANALYZE (SKIP_LOCKED) {', '.join(map(quote, grown))}")
        self._analyzed |= grown
