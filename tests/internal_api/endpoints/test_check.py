"""GET /check (contract: shell-endpoints 6 and 16.1, gitlab-shell 5, decisions 14)."""

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

PATH = "/api/v4/internal/check"


def test_which_service_this_is(shell: Client, db: None, settings: Settings) -> None:
    """shell-endpoints 16.1 #1, gitlab-shell 5 #25: string, string, string, boolean."""
    settings.GITLAB_VERSION, settings.GITLAB_REVISION = "18.9.0", "d69c988e6a6"
    response = shell.get(PATH)
    assert (response.status_code, response.json()) == (
        200,
        {"api_version": "v4", "gitlab_version": "18.9.0", "gitlab_rev": "d69c988e6a6", "gitlab_revision": "d69c988e6a6", "redis": True},
    )


def test_a_store_that_is_away_is_told_with_status_200(shell: Client, db: None, settings: Settings) -> None:
    """shell-endpoints 16.1 #2, gitlab-shell 5 #26, gitaly 6 #71."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    response = shell.get(PATH)
    assert (response.status_code, response.json()["redis"]) == (200, False)


def test_a_get_with_a_content_type_and_no_body(shell: Client, db: None) -> None:
    """gitlab-shell 5 #11."""
    assert shell.get(PATH, content_type="application/json").status_code == 200


@pytest.mark.parametrize("token", ["", "junk", "a.b.c"])
def test_a_stranger_is_refused(stranger: Client, token: str) -> None:
    """gitlab-shell 5 #4, #5; gitaly 6 #2, #70."""
    response = stranger.get(PATH, headers={"gitlab-shell-api-request": token})
    assert (response.status_code, response.json()) == (401, {"message": "401 Unauthorized"})
