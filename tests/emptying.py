"""Empties the database after a test that commits (`django_db(transaction=True)`).

Django's `flush` truncates every table, for which PostgreSQL makes new files for each table and each index, and then stores all
permissions and content types again. Here the rows that are there are deleted, but for those two, which no test changes.
"""

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase

KEPT = {ContentType._meta.db_table, Permission._meta.db_table}  # noqa: SLF001  Django's public name for it


def tables_with_rows(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the tables of models that are not empty, without those that are kept."""
    names = set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - KEPT
    each = (f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {connection.ops.quote_name(name)})" for name in sorted(names))  # noqa: S608  our tables
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(each))
        return [name for (name,) in cursor.fetchall()]


def empty(test_case: TransactionTestCase) -> None:
    """Delete all rows of the test's databases; foreign keys are checked when all are gone. In the place of `_fixture_teardown`."""
    for alias in test_case._databases_names(include_mirrors=False):  # type: ignore[attr-defined]  # noqa: SLF001  as Django's own does
        connection = connections[alias]
        with transaction.atomic(using=alias), connection.cursor() as cursor:
            for name in tables_with_rows(connection):
                cursor.execute(f"DELETE FROM {connection.ops.quote_name(name)}")  # noqa: S608  likewise
