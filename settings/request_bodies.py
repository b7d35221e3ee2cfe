"""Waiting for the body of a request, in the thread that accepts connections.

A small body is read before a thread gets the request, so that clients who send a part of one and no more hold no thread, whatever
address they ask. A large one is read by the thread, once the caller is known; of strangers by few threads (internal_api/http/requests.py).
"""

import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from internal_api.http.body_waits import BODY_SECONDS, LARGEST_AWAITED, SILENT_SECONDS

_HEAD_END: Final = b"\r\n\r\n"
_LONGEST_CHUNK_LINE: Final = 8190
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*(?=\r\n)", re.IGNORECASE)
_CODING = re.compile(rb"\r\ntransfer-encoding:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)", re.IGNORECASE)
_EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*(?=\r\n)", re.IGNORECASE)
_BY_WORKHORSE = re.compile(rb"\r\ngitlab-workhorse:", re.IGNORECASE)


@dataclass
class AwaitedBody:
    """The body of a request whose head is there."""

    start: int
    length: int | None  # None: chunked
    until: float
    chunk: int = 0
    """Where in the body the line of the next chunk begins."""

    def is_whole(self, held: bytes) -> bool:
        """Whether nothing more need be waited for: it is all there, or can only be refused."""
        if self.length is not None:
            return len(held) - self.start >= self.length
        return len(held) - self.start > LARGEST_AWAITED or self._is_last_chunk_there(held)

    def _is_last_chunk_there(self, held: bytes) -> bool:
        while True:
            begin = self.start + self.chunk
            end = held.find(b"\r\n", begin)
            if end < 0:
                return len(held) - begin > _LONGEST_CHUNK_LINE
            try:
                size = int(held[begin:end].split(b";", 1)[0].strip(b" \t") or b"-", 16)
            except ValueError:
                return True
            if not 0 < size <= LARGEST_AWAITED:
                return size != 0 or held.startswith(b"\r\n", end + 2) or _HEAD_END in held[end + 2 :]
            self.chunk += end + 2 - begin + size + 2
            if self.start + self.chunk > len(held):
                return False


def body_is_ready(conn: Any) -> bool:
    """Whether a thread can have the request: its body is there, is none, is large, or can only be refused. Its head has to be there."""
    held = conn.parser.unreader.buf.getvalue()
    body: AwaitedBody | None = getattr(conn, "body", None)
    if body is None:
        head = held[: held.find(_HEAD_END) + 2]
        body = conn.body = _awaited(head)
        if body is not None and not (conn.is_over or body.is_whole(held)):
            _tell_to_continue(conn, head)
    if body is None or conn.is_over or body.is_whole(held):
        return True
    conn.timeout = min(body.until, time.monotonic() + SILENT_SECONDS)
    return False


def is_in_body(conn: Any) -> bool:
    """Whether a body is waited for on this connection."""
    return getattr(conn, "body", None) is not None


def no_more(conn: Any) -> None:
    """End a body that does not come: whoever reads it finds its end, and refuses it."""
    with suppress(OSError):
        conn.sock.shutdown(socket.SHUT_RD)


def _awaited(head: bytes) -> AwaitedBody | None:
    """The body to be waited for; None where there is none, or one that a thread is to read or to refuse."""
    lengths, codings = _LENGTH.findall(head), _CODING.findall(head)
    until = time.monotonic() + BODY_SECONDS
    start = len(head) + 2
    if len(lengths) == 1 and not codings and 0 < int(lengths[0]) <= LARGEST_AWAITED:
        return AwaitedBody(start, int(lengths[0]), until)
    if len(codings) == 1 and not lengths and codings[0].lower() == b"chunked":
        return AwaitedBody(start, None, until)
    return None


def _tell_to_continue(conn: Any, head: bytes) -> None:
    """Send `100 Continue` to a client that waits for it before it sends its body; never to GitLab Workhorse (contract: git-http C2)."""
    is_awaited = b" HTTP/1.1\r\n" in head and _EXPECT.search(head) is not None
    if not is_awaited or _BY_WORKHORSE.search(head) is not None:
        return
    with suppress(OSError):
        conn.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    conn.is_told_to_continue = True
