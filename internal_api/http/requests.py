"""Django's request, with bodies that are bounded by endpoint, may be chunked, and are complete or refused."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.handlers.wsgi import WSGIRequest
from django.http import UnreadablePostError
from django.http.request import RawPostDataException

from internal_api.http.body_waits import BODY_SECONDS, LARGEST_AWAITED, SILENT_SECONDS
from internal_api.pacing import is_of_stranger

KIB: Final = 1024
MIB: Final = 1024 * KIB
DEFAULT_BODY_LIMIT: Final = MIB
_PIECE: Final = 64 * KIB
PLACE_SECONDS: Final = 0.2
"""How long a stranger waits for a place."""


class NoPlaceForBodyError(UnreadablePostError):
    """Too many strangers send large bodies at the moment."""


@lru_cache(maxsize=1)
def _places_of_strangers() -> threading.BoundedSemaphore:
    """Places for those who read large bodies of callers that have proved nothing: a quarter of the threads."""
    return threading.BoundedSemaphore(max(settings.WEB_THREADS // 4, 1))


class ServiceRequest(WSGIRequest):
    """A request whose body is read whole, up to `body_limit` bytes, within `BODY_SECONDS`.

    A view sets `body_limit` before anything reads the body (contract: decisions 4); pages without
    a view of ours, such as the admin site, keep the default of 1 MiB.
    """

    body_limit: int = DEFAULT_BODY_LIMIT

    def __init__(self, environ: dict[str, Any]) -> None:
        _ignore_charset(environ)
        super().__init__(environ)
        self._declared = _declared_length(environ)
        if self._declared is None:
            self._stream = environ["wsgi.input"]  # ends by itself, where the last chunk ends

    @property
    def body(self) -> bytes:
        """The whole body.

        Raises RequestDataTooBig above `body_limit`, before the rest is read, UnreadablePostError for a body that ends
        early, is chunked badly or comes too slowly, and NoPlaceForBodyError.
        """
        if not hasattr(self, "_body"):
            if self._read_started:
                raise RawPostDataException("The body was read as a stream already.")
            self._body = self._read_body()
            self._stream = BytesIO(self._body)
            self.META["CONTENT_LENGTH"] = str(len(self._body))  # Django's form parser goes by it
        return self._body

    def _read_body(self) -> bytes:
        if self._declared is not None and self._declared > self.body_limit:
            raise RequestDataTooBig(f"The body may have {self.body_limit} bytes at most.")
        if self._declared is None:
            _refuse_large_chunks(self._stream, self.body_limit)
        with self._place():
            return self._read_in_time()

    def _read_in_time(self) -> bytes:
        deadline = time.monotonic() + BODY_SECONDS
        with _SocketDeadline(self.META, deadline):
            body = _read(self._stream.read, self.body_limit, deadline)
        if self._declared is not None and len(body) < self._declared:
            raise UnreadablePostError("The body ended before its Content-Length.")
        return body

    @contextmanager
    def _place(self) -> Iterator[None]:
        """A place among those who read bodies of strangers, where this one may take its time. Raises NoPlaceForBodyError."""
        if (self._declared is not None and self._declared <= LARGEST_AWAITED) or not is_of_stranger(self):
            yield
            return
        places = _places_of_strangers()
        if not places.acquire(timeout=PLACE_SECONDS):
            raise NoPlaceForBodyError("Too many large bodies are being read. Try again later.")
        try:
            yield
        finally:
            places.release()

    def pieces(self, limit: int, *, least_rate: int) -> Iterator[bytes]:
        """Yield the body as it comes, without keeping it; `least_rate` is how many bytes have to come in a second on average.

        Raises RequestDataTooBig above `limit`, and UnreadablePostError as `body` does. For bodies that `body_limit` is too small for.
        """
        if self._declared is not None and self._declared > limit:
            raise RequestDataTooBig(f"The body may have {limit} bytes at most.")
        if self._declared is None:
            _refuse_large_chunks(self._stream, limit)
        self._read_started = True
        deadline = time.monotonic() + BODY_SECONDS + limit / least_rate
        total = 0
        with _SocketDeadline(self.META, deadline):
            while piece := _next_piece(self._stream.read, limit + 1 - total):
                total += len(piece)
                if total > limit:
                    raise RequestDataTooBig(f"The body may have {limit} bytes at most.")
                if time.monotonic() > deadline:
                    raise UnreadablePostError("The body came too slowly.")
                yield piece
        if self._declared is not None and total < self._declared:
            raise UnreadablePostError("The body ended before its Content-Length.")

    def _load_post_and_files(self) -> None:
        """Read a form through `body`, so that its limit holds for forms of every kind."""
        if self.method == "POST":
            self.body  # noqa: B018  reads it, or raises
        super()._load_post_and_files()


def _ignore_charset(environ: dict[str, Any]) -> None:
    """Drop the charset: bodies are UTF-8 here, and Python has codecs that are no text encodings.

    `charset=hex` would raise before the first line of ours runs (contract: decisions 4).
    """
    content_type: str = environ.get("CONTENT_TYPE", "")
    if "charset" in content_type.lower():
        parts = [part for part in content_type.split(";") if not _is_charset(part)]
        environ["CONTENT_TYPE"] = ";".join(parts)


def _is_charset(parameter: str) -> bool:
    return parameter.strip(" \t").lower().startswith("charset")


def _declared_length(environ: dict[str, Any]) -> int | None:
    """The Content-Length; None where the body is chunked and the server tells where it ends."""
    declared = environ.get("CONTENT_LENGTH")
    if declared:
        return int(declared) if declared.isascii() and declared.isdigit() else 0
    is_chunked = "HTTP_TRANSFER_ENCODING" in environ and environ.get("wsgi.input_terminated")
    return None if is_chunked else 0


def _refuse_large_chunks(stream: Any, limit: int) -> None:
    """Let gunicorn's reader raise RequestDataTooBig for the size of a chunk, which it would else wait for."""
    reader = getattr(stream, "reader", None)
    parse = getattr(reader, "parse_chunk_size", None)
    if reader is None or parse is None:
        return

    def bounded(*args: Any, **kwargs: Any) -> Any:
        size, rest = parse(*args, **kwargs)
        if size > limit:
            raise RequestDataTooBig(f"The body may have {limit} bytes at most.")
        return size, rest

    reader.parse_chunk_size = bounded


def _read(read: Callable[[int], bytes], limit: int, deadline: float) -> bytes:
    pieces: list[bytes] = []
    total = 0
    while True:
        piece = _next_piece(read, limit + 1 - total)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        total += len(piece)
        if total > limit:
            raise RequestDataTooBig(f"The body may have {limit} bytes at most.")
        if time.monotonic() > deadline:
            raise UnreadablePostError("The body came too slowly.")


def _next_piece(read: Callable[[int], bytes], most: int) -> bytes:
    try:
        return read(min(_PIECE, most))
    except RequestDataTooBig:
        raise
    except Exception as error:  # WSGI names no exceptions: a server raises its own for bad chunks
        raise UnreadablePostError(str(error)) from error


class _SocketDeadline:
    """Time-outs on the client's socket while its body is read: a client that goes silent, or sends a byte now and then, holds no thread.

    gunicorn receives until it has the piece that was asked for, so the deadline is looked at there.
    """

    def __init__(self, environ: dict[str, Any], deadline: float) -> None:
        socket = environ.get("gunicorn.socket")
        self._socket = socket if hasattr(socket, "settimeout") else None
        reader = getattr(environ.get("wsgi.input"), "reader", None)
        owner = reader if hasattr(reader, "unreader") else getattr(reader, "req", None)
        self._unreader = getattr(owner, "unreader", None)
        self._deadline = deadline

    def __enter__(self) -> None:
        if self._socket is not None:
            self._before = self._socket.gettimeout()
            self._socket.settimeout(SILENT_SECONDS)
        if self._unreader is not None:
            receive, deadline = self._unreader.chunk, self._deadline

            def chunk(*args: Any, **kwargs: Any) -> Any:
                if time.monotonic() > deadline:
                    raise TimeoutError("The body came too slowly.")
                return receive(*args, **kwargs)

            self._unreader.chunk = chunk

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.settimeout(self._before)
        if self._unreader is not None:
            del self._unreader.chunk
