"""What a request asks, read from the query and a JSON or form body into one typed mapping (contract: decisions 3 to 5)."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, UnreadablePostError

from internal_api.errors import BadRequestError, PayloadTooLargeError, UnsupportedMediaTypeError

LARGEST_ID = 2**63 - 1
_LEADING_DIGITS = re.compile(r"\s*(\d+)", re.ASCII)
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_FORM_TYPES = frozenset({"", "application/x-www-form-urlencoded"})
MAX_DEPTH = 100


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
        query = request.META.get("QUERY_STRING", "")
        body = _body_of(request)
        if not query:
            return cls(body)
        return cls({**_form_values(query), **body})

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


def _body_of(request: HttpRequest) -> dict[str, Any]:
    try:
        body = request.body
    except RequestDataTooBig as error:
        raise PayloadTooLargeError(f"{PayloadTooLargeError.message}: {error}") from None
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


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise BadRequestError.because("the body gives a key twice")
    return values


def _no_constant(name: str) -> None:
    raise BadRequestError.because(f"{name} is not JSON")


_DECODE = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant).decode


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body, without anything that no database stores. Raises BadRequestError."""
    text = _decoded(body)
    try:
        values = _DECODE(text)
    except (ValueError, RecursionError):
        raise BadRequestError.because("the body is not valid JSON") from None
    if not isinstance(values, dict):
        raise BadRequestError.because("the body must be a JSON object")
    if "\\u" in text or text.count("[") + text.count("{") > MAX_DEPTH:
        _refuse_unstorable(values)  # an escape is the only way to a NUL or a lone surrogate
    return values


def _refuse_unstorable(values: object) -> None:
    """Raise BadRequestError for text that no database stores, and for nesting that no client sends."""
    level: list[object] = [values]
    for _ in range(MAX_DEPTH):
        for item in level:
            if isinstance(item, str):
                _refuse_unstorable_text(item)
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    raise BadRequestError.because("the body is nested too deeply")


def _children(item: object) -> Iterable[object]:
    if isinstance(item, dict):
        return [*item.keys(), *item.values()]
    return item if isinstance(item, list) else ()


def _refuse_unstorable_text(text: str) -> None:
    if "\x00" in text:
        raise BadRequestError.because("a NUL character is not allowed")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRequestError.because("half of a surrogate pair is not a character") from None


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
