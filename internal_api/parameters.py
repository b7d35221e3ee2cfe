"""What a request asks, read from the query and a JSON or form body into one typed mapping (contract: decisions 3 to 5)."""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, UnreadablePostError

from internal_api.errors import BadRequestError, PayloadTooLargeError, UnavailableError, UnsupportedMediaTypeError
from internal_api.http.requests import NoPlaceForBodyError
from internal_api.json_input import LARGEST_INTEGER, MAX_DEPTH, InvalidJSONError, decode_body, refuse_unstorable_text

LARGEST_ID = LARGEST_INTEGER
_LEADING_DIGITS = re.compile(r"\s*(\d+)", re.ASCII)
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_FORM_TYPES = frozenset({"", "application/x-www-form-urlencoded"})


class Parameters:
    """The parameters of one request. An absent parameter and a JSON null are both None.

    No text in it holds a NUL character or half a surrogate pair, so any of it may be given to the database.
    """

    __slots__ = ("values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    @classmethod
    def of(cls, request: HttpRequest) -> "Parameters":
        """Query and body merged, the body wins. Raises BadRequestError, PayloadTooLargeError or UnsupportedMediaTypeError."""
        body = _body_of(request)
        return cls({**query, **body} if (query := query_of(request)) else body)

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def text(self, name: str) -> str | None:
        """A string; a number counts as its digits. Raises BadRequestError for a list, an object or a boolean."""
        value = self.values.get(name)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadRequestError.because(f"{name} must be a string")
        return str(value)

    def required_text(self, name: str) -> str:
        """A string that is there and not blank. Raises BadRequestError."""
        value = self.text(name)
        if value is None or not value.strip():
            raise BadRequestError.because(f"{name} is missing")
        return value

    def record_id(self, name: str) -> int | None:
        """The id that a parameter names: as lenient as the contract (`12abc` is 12, `abc` is 0), so 0 is "given, names nothing".

        None when the parameter is absent. Contract: shell-endpoints 1.3.
        """
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, bool | list | dict):
            raise BadRequestError.because(f"{name} must be a number")
        if isinstance(value, str):
            digits = _LEADING_DIGITS.match(value)
            if digits is None or len(digits[1]) > 19:  # noqa: PLR2004  more digits than 64 bits hold
                return 0
            value = int(digits[1])
        return int(value) if 0 <= value <= LARGEST_ID else 0

    def texts(self, name: str) -> list[str]:
        """A list of strings; absent is empty. Raises BadRequestError for anything else."""
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise BadRequestError.because(f"{name} must be a list of strings")
        return value


def query_of(request: HttpRequest) -> dict[str, Any]:
    """Return the parameters of the query alone. Raises BadRequestError."""
    query = request.META.get("QUERY_STRING", "")
    return _form_values(query) if query else {}


def _body_of(request: HttpRequest) -> dict[str, Any]:
    try:
        body = request.body
    except RequestDataTooBig as error:
        raise PayloadTooLargeError(f"{PayloadTooLargeError.message}: {error}") from None
    except NoPlaceForBodyError as error:
        raise UnavailableError(str(error)) from None
    except UnreadablePostError:
        raise BadRequestError.because("the body ended too early") from None
    if not body:
        return {}
    content_type = request.content_type
    if content_type == "application/json" or (content_type or "").endswith("+json"):
        return json_object(body)
    if content_type in _FORM_TYPES:
        return _form_values(_decoded(body))
    if content_type == "multipart/form-data":
        return _multipart_values(request)
    raise UnsupportedMediaTypeError(f"The provided content-type '{content_type}' is not supported.")


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise BadRequestError.because("the body is not UTF-8") from None


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body, without anything that no database stores. Raises BadRequestError."""
    try:
        values = decode_body(body)
    except InvalidJSONError as error:
        raise BadRequestError.because(f"the body {error}") from None
    if not isinstance(values, dict):
        raise BadRequestError.because("the body must be a JSON object")
    return values


def _refuse_unstorable_text(text: str) -> None:
    try:
        refuse_unstorable_text(text)
    except InvalidJSONError as error:
        raise BadRequestError.because(f"a parameter {error}") from None


def _multipart_values(request: HttpRequest) -> dict[str, Any]:
    return _merged((key, value) for key, values in request.POST.lists() for value in values)


def _form_values(text: str) -> dict[str, Any]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict")
    except ValueError:
        raise BadRequestError.because("the parameters are not UTF-8") from None
    return _merged(pairs)


def _merged(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """`a=1` is a text, `a[]=1` a list, `a[b]=1` an object; a text given twice is an error (contract: decisions 4a)."""
    values: dict[str, Any] = {}
    for key, value in pairs:
        _refuse_unstorable_text(key)
        _refuse_unstorable_text(value)
        _place(values, key, value)
    return values


def _place(values: dict[str, Any], key: str, value: str) -> None:
    name, bracket, _ = key.partition("[")
    steps = _BRACKETS.findall(key[len(name) :]) if bracket and name else []
    if not steps:
        name = key
    target, step = values, name
    for following in steps[: MAX_DEPTH // 10]:
        if following == "":
            break
        target = target.setdefault(step, {})
        if not isinstance(target, dict):
            raise BadRequestError.because(f"{name} is given in two shapes")
        step = following
    if steps and steps[-1] == "":
        items = target.setdefault(step, [])
        if not isinstance(items, list):
            raise BadRequestError.because(f"{name} is given in two shapes")
        items.append(value)
    elif step in target:
        raise BadRequestError.because(f"{name} is given twice")
    else:
        target[step] = value
