"""Paths in log lines have no credentials, wherever somebody has pasted them."""

import pytest
from django.test import Client

from internal_api.logs import without_credentials

TOKEN = "glpat-aB3_" + "x" * 16


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        (f"/x:{TOKEN}@acme/rockets.git/info/refs", "/[masked]acme/rockets.git/info/refs"),
        ("/ann:correct horse@acme/rockets.git/info/refs", "/[masked]acme/rockets.git/info/refs"),
        ("/ann:@acme/rockets.git", "/[masked]acme/rockets.git"),
        (f"/acme/{TOKEN}/info/refs", "/acme/[masked]/info/refs"),
        (f"/acme/rockets.git/{TOKEN}@x", "/acme/rockets.git/[masked]@x"),
        ("/api/scim/v2/Users/ann@example.com", "/api/scim/v2/Users/ann@example.com"),
        ("/acme/glibc-2-36-of-debian.git/info/refs", "/acme/glibc-2-36-of-debian.git/info/refs"),
        ("/acme/glpat-x.git", "/acme/glpat-x.git"),
        ("/api/v4/internal/check", "/api/v4/internal/check"),
        ("", ""),
    ],
)
def test_credentials_in_a_path_are_masked(path: str, logged: str) -> None:
    assert without_credentials(path) == logged


def test_log_line_of_a_remote_with_a_misplaced_token_has_no_token(db: None, caplog: pytest.LogCaptureFixture) -> None:
    """contract: git-http 1.2: neither below nor beside the repository's path."""
    caplog.set_level("INFO")
    for path in (
        f"/x:{TOKEN}@acme/rockets.git/info/refs",
        f"/x:{TOKEN}@acme/rockets/info/refs",
        f"/x:{TOKEN}@acme/rockets.git/info/lfs/locks",
    ):
        Client().get(path, {"service": "git-upload-pack"})
    lines = [str(getattr(record, "fields", {})) + record.getMessage() for record in caplog.records]
    assert any("[masked]acme/rockets" in line for line in lines)
    assert not any(TOKEN in line for line in lines)
