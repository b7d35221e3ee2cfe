"""What is tried with the database before anything is served does not keep a node from serving while the database hangs."""

from typing import Any

import psycopg
import pytest

from internal_api.postgresql import pooling


def test_a_database_that_hangs_is_waited_for_for_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []

    def connect(**arguments: Any) -> None:
        given.append(arguments)
        raise psycopg.OperationalError("timeout expired")

    monkeypatch.setattr("internal_api.postgresql.pooling._Client.connect", connect)
    assert pooling.pooling_problem({"host": "127.0.0.1"}, prepared=True) is None
    assert [arguments["connect_timeout"] for arguments in given] == [3]
