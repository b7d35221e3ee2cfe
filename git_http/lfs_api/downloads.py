"""Handing out the content of an object: by Workhorse, by the object storage, or streamed with ranges (contract: git-http 4.5 to 4.7)."""

import base64
import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase

from git_http.lfs_api.errors import LFSNotFoundError
from git_http.lfs_api.transfers import caller_of, give_connection_back, transfers
from git_http.responses import TextResponse
from internal_api.authentication import WORKHORSE_VERSION
from internal_api.http.ranges import ByteRange, UnsatisfiableRangeError, read_range
from internal_api.metrics import lfs_bytes
from repositories.lfs.storage import LFSStorage, lfs_storage
from repositories.models import LFSObject

SENDFILE_TYPE = "HTTP_X_SENDFILE_TYPE"
CONTENT_TYPE = "application/octet-stream"
_PIECE = 256 * 1024


def object_response(request: HttpRequest, row: LFSObject, *, for_gitaly: bool = False) -> HttpResponseBase:
    """Return the answer to a request for an object's content, for Gitaly never a redirect or another header to follow.

    Raises LFSNotFoundError where it is gone, and UnavailableError.
    """
    storage = lfs_storage()
    if not storage.exists(row.oid, row.size):
        raise LFSNotFoundError
    location = storage.locate(row.oid)
    if isinstance(location, Path):
        if request.META.get(SENDFILE_TYPE) == "X-Sendfile":
            return _handed_over("X-Sendfile", str(location), row)
    elif for_gitaly or request.method == "HEAD":  # a URL is signed for one method
        return stream(request, row, storage, caller="" if for_gitaly else caller_of(request))
    elif storage.is_direct:
        return HttpResponseRedirect(location)
    elif WORKHORSE_VERSION in request.META:
        parameters = {"URL": location, "AllowRedirects": False, "Method": "GET"}
        encoded = base64.urlsafe_b64encode(json.dumps(parameters).encode()).decode()
        return _handed_over("Gitlab-Workhorse-Send-Data", f"send-url:{encoded}", row)
    return stream(request, row, storage, caller="" if for_gitaly else caller_of(request))


def _handed_over(header: str, value: str, row: LFSObject) -> HttpResponse:
    """An answer without a body, to which Workhorse adds the content, ranges and all."""
    response = HttpResponse(b"", content_type=CONTENT_TYPE)
    _set(response, {header: value, "Content-Length": "0", "ETag": _etag(row)})
    lfs_bytes.labels("download", "workhorse").inc(row.size)
    return response


def _set(response: HttpResponseBase, headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        response.headers[name] = value


def _etag(row: LFSObject) -> str:
    return f'"{row.oid}"'


def stream(request: HttpRequest, row: LFSObject, storage: LFSStorage, *, caller: str) -> HttpResponseBase:
    """Return the content, or the range of it that is asked for, in pieces. Raises UnavailableError where there is no place for it."""
    if request.META.get("HTTP_IF_NONE_MATCH") == _etag(row):
        return _not_modified(row)
    try:
        wanted = _range(request, row)
    except UnsatisfiableRangeError:
        headers = {"Content-Range": f"bytes */{row.size}"}
        return TextResponse("The range cannot be satisfied.", HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers)
    part = wanted or ByteRange(0, row.size, row.size)
    response = _empty() if request.method == "HEAD" else _pieces(storage, row, part, caller)
    response.status_code = HTTPStatus.PARTIAL_CONTENT if wanted else HTTPStatus.OK
    _set(response, {"Content-Length": str(part.stop - part.start), "Accept-Ranges": "bytes", "ETag": _etag(row)})
    if wanted:
        response.headers["Content-Range"] = part.content_range
    return response


def _range(request: HttpRequest, row: LFSObject) -> ByteRange | None:
    header = request.META.get("HTTP_RANGE", "")
    condition = request.META.get("HTTP_IF_RANGE")
    return read_range(header, row.size) if header and condition in (None, _etag(row)) else None


def _not_modified(row: LFSObject) -> HttpResponse:
    response = HttpResponse(status=HTTPStatus.NOT_MODIFIED)
    response.headers["ETag"] = _etag(row)
    return response


def _empty() -> HttpResponseBase:
    return HttpResponse(b"", content_type=CONTENT_TYPE)


def _pieces(storage: LFSStorage, row: LFSObject, part: ByteRange, caller: str) -> HttpResponseBase:
    lfs_bytes.labels("download", "service").inc(part.stop - part.start)
    if part.stop - part.start <= _PIECE:
        return _small(storage, row, part)
    transfers().begin(caller)
    try:
        content = storage.open(row.oid)
    except FileNotFoundError:
        transfers().end(caller)
        raise LFSNotFoundError from None
    except BaseException:
        transfers().end(caller)
        raise
    give_connection_back()
    return StreamingHttpResponse(_Content(content, part, caller), content_type=CONTENT_TYPE)


def _small(storage: LFSStorage, row: LFSObject, part: ByteRange) -> HttpResponseBase:
    """What is read at once takes no place among the transfers."""
    try:
        with storage.open(row.oid) as content:
            content.seek(part.start)
            return HttpResponse(content.read(part.stop - part.start), content_type=CONTENT_TYPE)
    except FileNotFoundError:
        raise LFSNotFoundError from None


class _Content:
    """The pieces of an object; Django closes what it streams, whether it came to the end or not."""

    def __init__(self, content: BinaryIO, part: ByteRange, caller: str) -> None:
        self._content, self._left, self._caller = content, part.stop - part.start, caller
        self._is_open = True
        content.seek(part.start)

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            piece = self._content.read(min(_PIECE, self._left))
            if not piece:
                raise EOFError("An LFS object is shorter than it should be.")
            self._left -= len(piece)
            yield piece

    def close(self) -> None:
        """Close the file and give the place back, once."""
        if self._is_open:
            self._is_open = False
            self._content.close()
            transfers().end(self._caller)
