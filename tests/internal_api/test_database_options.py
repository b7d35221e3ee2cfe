"""What every connection to PostgreSQL asks for."""

import pytest
from django.db import connection


@pytest.mark.postgresql
@pytest.mark.django_db
@pytest.mark.parametrize(("name", "value"), [("jit", "off"), ("statement_timeout", "50s"), ("lock_timeout", "20s")])
def test_no_statement_is_compiled_and_none_waits_for_ever(name: str, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [name])
        assert cursor.fetchone() == (value,)
