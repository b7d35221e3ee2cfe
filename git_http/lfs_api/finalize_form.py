"""What Workhorse tells of a file that it has received: only what it has signed is believed (contract: git-http 4.3)."""

import re
from typing import Any
from urllib.parse import parse_qs

from django.http import HttpRequest, UnreadablePostError

from git_http.errors import NotFromWorkhorseError
from internal_api.errors import BadRequestError
from internal_api.service_secrets import service_secrets
from internal_api.service_tokens import WORKHORSE, InvalidServiceTokenError
from repositories.lfs.errors import InvalidUploadError
from repositories.lfs.upload import Upload

FIELDS_HEADER = "HTTP_GITLAB_WORKHORSE_MULTIPART_FIELDS"
UPLOAD_FIELD = "file.gitlab-workhorse-upload"
BODY_LIMIT = 64 * 1024
NO_FILE = "No file was uploaded."
_MOST_FIELDS = 100
_LONGEST_NUMBER = 19
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


def read_upload(request: HttpRequest) -> Upload:
    """Return what was uploaded. Raises InvalidUploadError, and NotFromWorkhorseError for a signature that does not hold."""
    header = request.META.get(FIELDS_HEADER, "")
    fields = _claims(header).get("rewritten_fields") if header else None
    if not isinstance(fields, dict) or "file" not in fields:
        raise InvalidUploadError(NO_FILE)
    token = _signed_field(request)
    told = _claims(token).get("upload") if token else None
    if not isinstance(told, dict):
        raise InvalidUploadError(NO_FILE)
    upload = Upload(_number(told.get("size")), _text(told.get("sha256")), _text(told.get("path")), _text(told.get("remote_id")))
    if not upload.path and not upload.remote_id:
        raise InvalidUploadError(NO_FILE)
    if fields["file"] != upload.path:
        raise InvalidUploadError("The form is about another file.")
    return upload


def _claims(token: str) -> dict[str, Any]:
    try:
        return WORKHORSE.claims(token, service_secrets(WORKHORSE))
    except InvalidServiceTokenError:
        raise NotFromWorkhorseError(NotFromWorkhorseError.INVALID) from None


def _signed_field(request: HttpRequest) -> str:
    try:
        form = parse_qs(request.body.decode(), max_num_fields=_MOST_FIELDS)
    except (UnreadablePostError, ValueError):
        raise BadRequestError("The form cannot be read.") from None
    values = form.get(UPLOAD_FIELD, [])
    return values[0] if len(values) == 1 else ""


def _text(value: Any) -> str:
    """Return the string; an empty one for other types, and for half of a surrogate pair, which no answer could name."""
    return value if isinstance(value, str) and not _LONE_SURROGATE.search(value) else ""


def _number(value: Any) -> int:
    text = _text(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER else -1
