"""Bodies: limits by endpoint, chunked ones, early ends, charsets (contract: decisions 4)."""

import io
import json
import threading
from typing import Any

import pytest
from django.core.exceptions import RequestDataTooBig
from django.http import UnreadablePostError
from django.test import Client, RequestFactory

from internal_api.errors import UnavailableError
from internal_api.http import requests
from internal_api.http.body_waits import LARGEST_AWAITED
from internal_api.http.requests import KIB, MIB, NoPlaceForBodyError, ServiceRequest
from internal_api.http.wsgi import ServiceHandler
from internal_api.logs import note
from internal_api.parameters import Parameters
from tests.factories import UserFactory

INTERNAL = "/api/v4/internal"
LIMITS = [
    ("shell", f"{INTERNAL}/allowed", 64 * MIB),
    ("shell", f"{INTERNAL}/pre_receive", 64 * MIB),
    ("shell", f"{INTERNAL}/post_receive", 64 * MIB),
    ("shell", f"{INTERNAL}/lfs_authenticate", MIB),
    ("shell", f"{INTERNAL}/two_factor_recovery_codes", MIB),
    ("shell", f"{INTERNAL}/personal_access_token", MIB),
    ("shell", f"{INTERNAL}/error_tracking/allowed", 64 * KIB),
    ("kas", f"{INTERNAL}/kubernetes/usage_metrics", 8 * MIB),
    ("kas", f"{INTERNAL}/kubernetes/agent_configuration", 8 * MIB),
]


class Endless(io.RawIOBase):
    """A body that says how much of it was read."""

    taken = 0

    def read(self, size: int = -1) -> bytes:
        self.taken += size
        return b"a" * size


@pytest.mark.parametrize(("caller", "path", "limit"), LIMITS, ids=[path for _, path, _ in LIMITS])
def test_a_body_above_the_endpoint_s_limit_is_refused_before_it_is_read(
    caller: str, path: str, limit: int, db: None, request: pytest.FixtureRequest
) -> None:
    client: Client = request.getfixturevalue(caller)
    body = Endless()
    environ: dict[str, Any] = {"CONTENT_LENGTH": str(limit + 1), "wsgi.input": body}
    response = client.generic("POST", path, b"", "application/json", **environ)
    assert response.status_code == 413
    assert str(limit) in response.json()["message"]
    assert body.taken == 0


@pytest.mark.parametrize(("caller", "path", "limit"), LIMITS[3:], ids=[path for _, path, _ in LIMITS[3:]])
def test_a_body_of_just_the_limit_is_read(caller: str, path: str, limit: int, db: None, request: pytest.FixtureRequest) -> None:
    client: Client = request.getfixturevalue(caller)
    body = json.dumps({"x": ""}).replace('""', f'"{"a" * (limit - 9)}"').encode()
    assert len(body) == limit
    assert client.generic("POST", path, body, "application/json").status_code != 413


def test_the_admin_site_reads_1_mib_and_1_000_fields(client: Client, db: None) -> None:
    large = b"username=" + b"a" * MIB
    many = b"&".join(b"a=1" for _ in range(1_001))
    for body in (large, many):
        response = client.generic("POST", "/admin/login/", body, "application/x-www-form-urlencoded")
        assert response.status_code == 413, body[:20]
    part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    response = client.generic("POST", "/admin/login/", part * 1_001 + b"--b--\r\n", "multipart/form-data; boundary=b")
    assert response.status_code == 413


def _request(body: bytes, **environ: Any) -> ServiceRequest:
    base = RequestFactory().generic("POST", "/").environ
    base.pop("CONTENT_LENGTH", None)
    return ServiceRequest({**base, "wsgi.input": io.BytesIO(body), **environ})


CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}


def test_a_chunked_body_is_read_to_its_end() -> None:
    request = _request(b'{"a":1}', CONTENT_TYPE="application/json", **CHUNKED)
    assert request.body == b'{"a":1}'
    assert request.META["CONTENT_LENGTH"] == "7"


def test_a_chunked_form_is_parsed() -> None:
    request = _request(b"a=1", CONTENT_TYPE="application/x-www-form-urlencoded", **CHUNKED)
    assert request.POST["a"] == "1"
    part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n'
    request = _request(part, CONTENT_TYPE="multipart/form-data; boundary=b", **CHUNKED)
    assert request.POST["a"] == "1"


def test_a_chunked_body_above_the_limit_is_refused_where_the_limit_is_reached() -> None:
    body = Endless()
    request = _request(b"", **CHUNKED, **{"wsgi.input": body})
    with pytest.raises(RequestDataTooBig):
        _ = request.body
    assert body.taken == MIB + 1


def test_a_body_without_length_or_chunks_is_empty() -> None:
    assert _request(b"never read").body == b""


def test_a_body_that_ends_before_its_length_is_refused() -> None:
    request = _request(b"a=1", CONTENT_LENGTH="10")
    with pytest.raises(UnreadablePostError):
        _ = request.body


def test_whatever_the_server_raises_for_a_bad_chunk_is_a_body_that_cannot_be_read() -> None:
    class Bad(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise LookupError("invalid chunk size")

    request = _request(b"", **CHUNKED, **{"wsgi.input": Bad()})
    with pytest.raises(UnreadablePostError):
        _ = request.body


@pytest.mark.parametrize("length", ["٣", "-1", "1e3", "+7", "99999999999999999999999"])
def test_an_odd_length_never_reads_more_than_the_limit(length: str) -> None:
    request = _request(b"abc", CONTENT_LENGTH=length)
    try:
        assert len(request.body) <= 3
    except RequestDataTooBig:
        assert length.startswith("9")


CHARSETS = ["hex", "zlib_codec", "rot13", "idna", "undefined", "utf-16", "no such charset", "hex; charset=utf-8", '"hex"']


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("path", ["/livez", f"{INTERNAL}/check", f"{INTERNAL}/allowed", "/admin/login/", "/docs/"])
def test_a_charset_that_is_no_text_encoding_is_ignored(charset: str, path: str, shell: Client, db: None) -> None:
    response = shell.generic("POST" if path.endswith("allowed") else "GET", f"{path}?a=1", b"", f"x/y; charset={charset}")
    assert response.status_code in {200, 400, 415}


def test_json_with_any_charset_is_read_as_utf_8(shell: Client, db: None) -> None:
    ann = UserFactory.create()
    body = json.dumps({"user_id": ann.pk})
    for charset in CHARSETS:
        content_type = f"application/json; charset={charset}"
        assert shell.generic("GET", f"{INTERNAL}/discover?user_id={ann.pk}", body, content_type).json()["id"] == ann.pk


def test_what_escapes_django_is_answered_in_json(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def broken(self: ServiceHandler, environ: dict[str, Any]) -> ServiceRequest:
        raise LookupError("no such codec")

    monkeypatch.setattr(ServiceHandler, "request_class", broken)
    answered: list[Any] = []
    environ = RequestFactory().get("/livez").environ
    body = b"".join(ServiceHandler()(environ, lambda *answer: answered.append(answer)))
    assert json.loads(body) == {"message": "400 Bad request"}
    assert answered[0][0] == "400 Bad Request"
    assert ("Content-Type", "application/json") in answered[0][1]


def large_request(**environ: Any) -> ServiceRequest:
    size = LARGEST_AWAITED + 1
    return ServiceRequest(
        {**RequestFactory().post("/x").META, "CONTENT_LENGTH": str(size), "wsgi.input": io.BytesIO(b"a" * size), **environ}
    )


def test_large_bodies_of_strangers_are_read_by_few_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are told to come again. Who has shown a credential is no stranger, and a small body is there already."""
    places = threading.BoundedSemaphore(1)
    monkeypatch.setattr(requests, "_places_of_strangers", lambda: places)
    monkeypatch.setattr(requests, "PLACE_SECONDS", 0.0)
    with places:
        with pytest.raises(NoPlaceForBodyError):
            large_request().body  # noqa: B018  reads it
        with pytest.raises(UnavailableError):
            Parameters.of(large_request(CONTENT_TYPE="application/json"))
        known = large_request()
        note(known, caller="gitlab-shell")
        assert len(known.body) == LARGEST_AWAITED + 1
        assert large_request(CONTENT_LENGTH="5").body == b"aaaaa"
    assert len(large_request().body) == LARGEST_AWAITED + 1
    assert len(large_request().body) == LARGEST_AWAITED + 1


def test_a_place_is_given_back_by_a_body_that_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    places = threading.BoundedSemaphore(1)
    monkeypatch.setattr(requests, "_places_of_strangers", lambda: places)
    for _ in range(2):
        with pytest.raises(UnreadablePostError, match="ended before"):
            large_request(**{"wsgi.input": io.BytesIO(b"a")}).body  # noqa: B018  reads it
