"""Waiting for the head of a request, in the thread that accepts connections.

gunicorn hands a new connection to a thread at once, which waits five seconds for its first byte and
without end for the rest of the head: half a request on as many connections as there are threads
stops a process. Here a thread gets a connection when the head is whole, or can only be refused.
"""

import time
from typing import Any

HEAD_SECONDS = 10.0
"""Seconds from the first byte of a head to its last."""
LARGEST_HEAD = 64 * 1024
_END = b"\r\n\r\n"


class HeadTooLargeError(Exception):
    """A head has more than LARGEST_HEAD bytes."""


def head_is_ready(conn: Any, limit_request_line: int) -> bool:
    """Read what has come, without waiting; True if a thread can go on, also for an error or the end (then `conn.is_over`).

    Raises HeadTooLargeError.
    """
    conn.is_over = False
    conn.init()
    buffer = conn.parser.unreader.buf
    conn.sock.setblocking(False)
    try:
        data = conn.sock.recv(LARGEST_HEAD)
    except BlockingIOError:
        data = None
    except OSError:
        conn.is_over = True
        return True
    conn.is_over = data == b""
    if data:
        buffer.seek(0, 2)
        buffer.write(data)
    held = buffer.getvalue()
    if conn.is_over or _END in held:
        return True
    if len(held) > LARGEST_HEAD:
        raise HeadTooLargeError
    return len(held) > limit_request_line + 2 and b"\r\n" not in held


def has_begun(conn: Any) -> bool:
    """Whether the first byte of a head has come."""
    return bool(conn.parser.unreader.buf.getbuffer().nbytes)


def keep_waiting(conn: Any, silent_seconds: float) -> bool:
    """Set until when a head is waited for; False if that time is over."""
    now = time.monotonic()
    if not has_begun(conn):
        conn.timeout = now + silent_seconds
        return True
    until = getattr(conn, "head_until", None)
    conn.timeout = conn.head_until = now + HEAD_SECONDS if until is None else until
    return bool(now < conn.timeout)
