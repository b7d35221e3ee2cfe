"""JSON bodies of Git LFS: an object, or nothing at all (contract: git-http LD17)."""

from typing import Any

from django.http import HttpRequest, UnreadablePostError

from internal_api.errors import BadRequestError, ConflictError, PayloadTooLargeError, UnavailableError
from internal_api.http.requests import NoPlaceForBodyError
from internal_api.json_input import InvalidJSONError, decode_body
from repositories.lfs.errors import NOT_FOUND

MOST_OBJECTS = 1000
HASH_ALGORITHM = "sha256"


def read_object(request: HttpRequest) -> dict[str, Any]:
    """Return the object in a body, whatever media type it says it has; an empty body is an empty object.

    Raises BadRequestError, and UnavailableError.
    """
    try:
        body = request.body
    except NoPlaceForBodyError as error:
        raise UnavailableError(str(error)) from None
    except UnreadablePostError:
        raise BadRequestError("The body ended too early.") from None
    if not body.strip():
        return {}
    try:
        value = decode_body(body)
    except InvalidJSONError as error:
        raise BadRequestError(f"The body {error}.") from None
    if not isinstance(value, dict):
        raise BadRequestError("The body must be a JSON object.")
    return value


def read_entries(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the objects that a batch asks about, with `oid` and `size` as they were sent.

    Raises LookupError where there are none, BadRequestError, ConflictError and PayloadTooLargeError.
    """
    objects = body.get("objects")
    if objects is None or objects == []:
        raise LookupError(NOT_FOUND)
    if not isinstance(objects, list) or not all(isinstance(one, dict) for one in objects):
        raise BadRequestError("objects must be a list of objects")
    if len(objects) > MOST_OBJECTS:
        raise PayloadTooLargeError(f"At most {MOST_OBJECTS} objects can be asked about at once, not {len(objects)}.")
    if body.get("hash_algo", HASH_ALGORITHM) not in (HASH_ALGORITHM, None):
        raise ConflictError("hash_algo must be sha256")
    return [{name: one[name] for name in ("oid", "size") if name in one} for one in objects]
