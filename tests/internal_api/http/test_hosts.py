"""Which Host headers are answered, on every address."""

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from internal_api.http.hosts import AllowedHosts

PATHS = ["/api/v4/internal/check", "/api/v4/internal/allowed", "/api/scim/v2/application/Users", "/admin/", "/docs/", "/nothing"]


@pytest.mark.parametrize("path", PATHS)
def test_a_host_that_is_not_listed_is_400_on_every_address(path: str, shell: Client, db: None) -> None:
    for host in ("evil.example", "testserver.evil.example", "testserver@evil.example", "", "a b"):
        response = shell.get(path, headers={"host": host})
        assert response.status_code == 400, host
        assert response.json() == {"message": "400 Bad request"}
        assert response["X-Request-Id"]


def test_listed_hosts_are_answered_with_any_port(shell: Client, db: None, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["git.example.com", ".internal.example"]
    for host in ("git.example.com", "GIT.example.com:8443", "a.internal.example", "unix"):
        assert shell.get("/api/v4/internal/check", headers={"host": host}).status_code == 200, host


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/-/liveness", "/-/readiness", "/metrics", "/metrics/database"])
def test_probes_come_by_address(path: str, client: Client, db: None) -> None:
    for host in ("10.1.2.3:3001", "10.1.2.3", "[2001:db8::1]:3001"):
        assert client.get(path, headers={"host": host}).status_code == 200, host


@pytest.mark.parametrize("path", ["/metrics", "/metrics/database"])
def test_metrics_are_not_told_under_a_name_that_is_not_listed(path: str, client: Client, db: None, settings: Settings) -> None:
    """A web page's name may be made to lead to this machine's own address, from which metrics may be read."""
    settings.ALLOWED_HOSTS = ["git.example.com"]
    for host in ("evil.example", "evil.example:3001", "10.1.2.3.evil.example", "[10.1.2.3", ""):
        assert client.get(path, headers={"host": host}).status_code == 400, host
    assert client.get(path, headers={"host": "git.example.com"}).status_code == 200


def test_what_is_remembered_of_hosts_is_bounded(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["git.example.com"]
    hosts = AllowedHosts()
    assert not any(hosts.allows(f"host{number}.example") for number in range(1_000))
    assert hosts.allows("git.example.com")
    assert len(hosts._known) <= 256  # noqa: SLF001  the bound is the point
    settings.ALLOWED_HOSTS = ["host1.example"]
    assert hosts.allows("host1.example")
    assert not hosts.allows("git.example.com")
