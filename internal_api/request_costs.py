"""What the request under way has cost so far: SQL statements, and time spent waiting for Gitaly. One per thread."""

import threading
from collections.abc import Callable
from typing import Any


class RequestCosts(threading.local):
    """Counted up while a request is answered, and set back before the next."""

    statements: int = 0
    gitaly_seconds: float = 0.0

    def reset(self) -> None:
        """A new request begins."""
        self.statements, self.gitaly_seconds = 0, 0.0


costs = RequestCosts()


def _count(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    costs.statements += 1
    return execute(sql, params, many, context)


def count_statements(connection: Any, **_: Any) -> None:
    """Receiver of `connection_created`: every statement of this connection counts from now on."""
    if _count not in connection.execute_wrappers:
        connection.execute_wrappers.append(_count)
