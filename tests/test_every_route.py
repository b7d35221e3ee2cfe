"""What holds of every address there is: strangers are refused, nothing redirects, every answer of the API is JSON."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.permissions import BasePermission

from internal_api.middleware import RequestMiddleware
from internal_api.permissions import Anyone
from tests.insider import concrete, insider_client, refusal

pytestmark = pytest.mark.once
WORKHORSE = frozenset({"/api/v4/geo/proxy"})
"""Asked by GitLab Workhorse, whose bad token is a 403 (git-http 1.2)."""
OPEN_TO_ANYONE = frozenset({"/livez", "/readyz", "/-/liveness", "/-/readiness"})
"""Pages that anyone may read (decisions 21a)."""


def routes(patterns: list[Any] | None = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, path)
        else:
            yield path, pattern


PAGES = ("admin/", "metrics", "api/schema", "docs", "<path:path>")
"""What is not the API's: read by people, Prometheus and Git, with tests of their own."""
API = [(path, pattern) for path, pattern in routes() if not path.startswith(PAGES)]
ADDRESSES = [f"/{concrete(path)}" for path, _ in API]
MAPPED = [(f"/{concrete(path)}", method) for path, pattern in API for method in getattr(pattern.callback, "actions", {})]
MEDIA_TYPES = {True: "application/scim+json", False: "application/json"}


@pytest.fixture
def insider(db: None) -> Client:
    return insider_client()


def test_there_are_routes() -> None:
    assert ("/api/v4/internal/allowed", "post") in MAPPED


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options", "head", "trace"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_stranger_is_refused_everywhere_by_every_method(stranger: Client, db: None, address: str, method: str) -> None:
    """Decisions 8a; nothing tells a stranger what exists, not even which methods do."""
    if address in OPEN_TO_ANYONE:
        return
    response = getattr(stranger, method)(address)
    assert response.status_code == (403 if address in WORKHORSE else 401)
    assert response["Content-Type"] == MEDIA_TYPES["/scim/" in address]
    if method != "head":
        assert response.json() == refusal(address)


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_retired_ways_in_are_shut(stranger: Client, db: None, address: str) -> None:
    """Allowed 10.1 #5, shell-endpoints 16.1 #7."""
    if address in OPEN_TO_ANYONE:
        return
    response = stranger.post(address, {"secret_token": "x"}, headers={"gitlab-shared-secret": "eA==", "authorization": "Bearer x"})
    assert response.status_code == (403 if address in WORKHORSE else 401)


@pytest.mark.parametrize("pattern", [pattern for _, pattern in API])
def test_every_view_declares_who_may_use_it(pattern: URLPattern) -> None:
    view = pattern.callback.cls  # type: ignore[attr-defined]  # DRF adds it
    assert view.authentication_classes or view.permission_classes == [Anyone]
    assert view.permission_classes
    assert all(issubclass(permission, BasePermission) for permission in view.permission_classes)
    if f"/{concrete(str(pattern.pattern))}" not in {address.removeprefix("/api/v4") for address in WORKHORSE}:
        assert all(authentication.authenticate_header for authentication in view.authentication_classes)


@pytest.mark.parametrize(("address", "method"), MAPPED)
def test_a_slash_at_the_end_makes_no_difference(insider: Client, address: str, method: str) -> None:
    """Decisions 1, gitlab-shell 5 #13, gitaly 6 #10."""
    without, with_slash = getattr(insider, method)(address), getattr(insider, method)(address + "/")
    assert (without.status_code, without.content) == (with_slash.status_code, with_slash.content)
    assert not 300 < without.status_code < 400


@pytest.mark.parametrize(("address", "method"), MAPPED)
def test_other_methods_are_told_the_right_one(insider: Client, address: str, method: str) -> None:
    """Gitaly 6 #13, decisions 2."""
    mapped = {other for path, other in MAPPED if path == address}
    unmapped = {"get", "post", "put", "patch", "delete"} - mapped
    if not unmapped or "/groups/" in address:
        return  # a group's scope is not the insider's
    response = getattr(insider, min(unmapped))(address)
    assert response.status_code == 405
    if "/scim/" not in address:
        assert response.json() == {"error": "405 Not Allowed", "message": "405 Not Allowed"}
    assert method.upper() in response["Allow"]


@pytest.mark.parametrize("address", ["/api/v4/internal/nothing", "/api/v4/internal/gitaly/object_pool_members", "/api", "/x", "/"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_an_unknown_address_is_a_404_in_json(shell: Client, address: str, method: str) -> None:
    """Decisions 2, 4c; gitaly 6 #14, gitlab-shell 5 #17."""
    response = getattr(shell, method)(address)
    assert (response.status_code, response.json()) == (404, {"error": "404 Not Found", "message": "404 Not Found"})
    assert response["Content-Type"] == "application/json"


@pytest.mark.parametrize("address", ADDRESSES)
def test_safe_headers_and_a_length(insider: Client, address: str) -> None:
    """Allowed 1.1; without a Content-Length gunicorn would send chunks."""
    response = insider.get(address)
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response.headers.get("Content-Length") == (None if response.status_code == 204 else str(len(response.content)))


def test_a_correlation_id_is_answered_back(shell: Client, db: None) -> None:
    """gitlab-shell 1.2: X-Request-Id is opaque; one that could spoil a log is replaced."""
    response = shell.get("/api/v4/internal/check", headers={"x-request-id": "01HXYZ"})
    assert response["X-Request-Id"] == "01HXYZ"
    for spoiled in ("", "a" * 256, "a\tb", "é"):
        answered = shell.get("/api/v4/internal/check", headers={"x-request-id": spoiled})["X-Request-Id"]
        assert answered != spoiled
        assert answered.isalnum()


def test_several_forwarding_headers_and_basic_credentials_are_ignored(shell: Client, db: None) -> None:
    """gitlab-shell 5 #10, #16."""
    headers = {"x-forwarded-for": "10.0.0.1, 10.0.0.2, 10.0.0.3", "authorization": "Basic eDp5"}
    assert shell.get("/api/v4/internal/check", headers=headers).status_code == 200


def test_the_host_of_a_unix_socket_is_served(shell: Client, db: None) -> None:
    """Gitaly 6 #8, gitlab-shell 5 #14."""
    assert shell.get("/api/v4/internal/check", headers={"host": "unix"}).status_code == 200


def test_two_slashes_in_front_are_one() -> None:
    """Gitaly 6 #11, decisions 4: a Gitaly whose url ends in a slash."""
    seen: list[str] = []

    def respond(request: WSGIRequest) -> Any:
        from django.http import HttpResponse  # noqa: PLC0415  only here

        seen.append(request.path_info)
        return HttpResponse()

    request = RequestFactory().get("/")
    for path in ("//api/v4/internal/check", "///api/v4/internal/check/", "/api/v4/internal/check//"):
        request.path_info = path
        RequestMiddleware(respond)(request)  # type: ignore[arg-type]  # a WSGI request is one
    assert seen == ["/api/v4/internal/check"] * 3


def test_the_same_token_may_be_sent_again(shell: Client, db: None) -> None:
    """gitlab-shell 5 #8: the clients resend it on retries."""
    assert [shell.get("/api/v4/internal/check").status_code for _ in range(3)] == [200, 200, 200]


def test_a_fault_of_ours_is_a_500_in_json(shell: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gitaly 6 #17."""

    def broken() -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("internal_api.views.check.shared_store", broken)
    shell.raise_request_exception = False
    response = shell.get("/api/v4/internal/check")
    assert (response.status_code, response.json()) == (500, {"message": "500 Internal Server Error"})


def test_a_database_that_is_away_is_a_503(shell: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decisions 4b: gitlab-sshd, which asks three times, is carried over a restart."""
    from django.db import OperationalError  # noqa: PLC0415  only here

    def away(*_: Any) -> None:
        raise OperationalError("gone, with the address of the server")

    monkeypatch.setattr("accounts.selectors.actors.fetch_row", away)
    response = shell.get("/api/v4/internal/discover")
    assert (response.status_code, response.json()) == (503, {"message": "The database is not available. Try again in a moment."})
    assert response["Retry-After"] == "5"
