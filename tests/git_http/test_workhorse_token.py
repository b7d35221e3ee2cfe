"""Workhorse's token and its own calls (contract: git-http 1, 8.1)."""

import base64
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django.fixtures import Settings

from internal_api.service_secrets import service_secrets
from internal_api.service_tokens import WORKHORSE
from tests.conftest import workhorse_headers
from tests.git_http.conftest import PULL, Git, allowed, refused

DENIED = "HTTP Basic: Access denied."


def with_token(token: str) -> Git:
    git = Git(signed=False)
    git.client = Client(headers={"gitlab-workhorse-api-request": token, "gitlab-workhorse": "18.9"})
    return git


def test_without_a_token_a_public_project_is_403(git: Git) -> None:
    """contract: git-http 1."""
    refused([Git(signed=False).info_refs("pub/lic", PULL)], 403, "Nil JSON web token")


def test_a_token_of_another_secret_is_refused_and_not_repeated(git: Git) -> None:
    """contract: git-http 2."""
    token = jwt.encode({"iss": "gitlab-workhorse"}, b"x" * 32, algorithm="HS256")
    answers = with_token(token).both("pub/lic", PULL)
    refused(answers, 403)
    assert all(part not in answer.content.decode() for answer in answers for part in token.split("."))


@pytest.mark.parametrize("algorithm", ["none", "HS512"])
def test_another_algorithm_is_refused(git: Git, algorithm: str) -> None:
    """contract: git-http 4."""
    key = "" if algorithm == "none" else service_secrets(WORKHORSE)[0]
    token = jwt.encode({"iss": "gitlab-workhorse"}, key, algorithm=algorithm)
    refused(with_token(token).both("pub/lic", PULL), 403)


def test_a_token_with_nothing_but_the_issuer_is_taken(git: Git) -> None:
    """contract: git-http 5."""
    token = jwt.encode({"iss": "gitlab-workhorse"}, service_secrets(WORKHORSE)[0], algorithm="HS256")
    allowed(with_token(token).both("pub/lic", PULL))


def test_another_issuer_and_a_past_token_are_refused(git: Git) -> None:
    """contract: git-http 1.2: `exp`, where there is one, is checked without leeway."""
    for claims in ({"iss": "gitlab-shell"}, {}, {"iss": "gitlab-workhorse", "exp": 1}):
        token = jwt.encode(claims, service_secrets(WORKHORSE)[0], algorithm="HS256")
        refused(with_token(token).both("pub/lic", PULL), 403)


def test_credentials_are_judged_before_the_token(git: Git) -> None:
    """contract: git-http 7."""
    refused(Git(signed=False).both("gnuwget/wget2", PULL), 401)


def test_the_challenge(git: Git) -> None:
    """contract: git-http 8."""
    answers = git.both("gnuwget/wget2", PULL)
    refused(answers, 401)
    for answer in answers:
        assert answer["WWW-Authenticate"] == 'Basic realm="GitLab"'
        assert answer.content.decode().startswith(DENIED)
        assert answer.content.decode().endswith("improperly scoped.")


def test_the_secret_file_may_end_in_a_newline(git: Git, settings: Settings, tmp_path: Path) -> None:
    """contract: git-http 10."""
    key = bytes(range(64, 96))
    settings.GITLAB_WORKHORSE_SECRET_FILE = tmp_path / "secret"
    settings.GITLAB_WORKHORSE_SECRET_FILE.write_bytes(base64.b64encode(key) + b"\n")
    allowed(with_token(jwt.encode({"iss": "gitlab-workhorse"}, key, algorithm="HS256")).both("pub/lic", PULL))


def test_a_secret_of_31_bytes_is_refused_by_name(settings: Settings, tmp_path: Path) -> None:
    """contract: git-http 11."""
    settings.GITLAB_WORKHORSE_SECRET_FILE = tmp_path / "secret"
    settings.GITLAB_WORKHORSE_SECRET_FILE.write_bytes(base64.b64encode(bytes(31)))
    with pytest.raises(ImproperlyConfigured, match=str(tmp_path / "secret")):
        service_secrets(WORKHORSE)


def test_a_second_secret_is_live_during_a_rotation(git: Git, settings: Settings, tmp_path: Path) -> None:
    """contract: git-http LD1."""
    key = bytes(range(64, 96))
    settings.GITLAB_WORKHORSE_PREVIOUS_SECRET_FILE = tmp_path / "previous"
    settings.GITLAB_WORKHORSE_PREVIOUS_SECRET_FILE.write_bytes(base64.b64encode(key))
    for secret in (key, service_secrets(WORKHORSE)[0]):
        allowed(with_token(jwt.encode({"iss": "gitlab-workhorse"}, secret, algorithm="HS256")).both("pub/lic", PULL))


def test_without_a_secret_file_every_token_is_refused(git: Git, settings: Settings) -> None:
    settings.GITLAB_WORKHORSE_SECRET_FILE = None
    refused(git.both("pub/lic", PULL), 403)


def test_geo_proxy(db: None, workhorse: Client) -> None:
    """contract: git-http 13."""
    answer = workhorse.get("/api/v4/geo/proxy")
    assert (answer.status_code, answer.json()) == (200, {"geo_enabled": False})


def test_geo_proxy_without_a_token(stranger: Client) -> None:
    """contract: git-http 14."""
    answer = stranger.get("/api/v4/geo/proxy")
    assert (answer.status_code, answer.json()) == (403, {"message": "403 Forbidden"})
    assert "WWW-Authenticate" not in answer


def test_geo_proxy_by_something_else(stranger: Client) -> None:
    """contract: git-http 1.2: the token alone does not make a Workhorse."""
    headers = workhorse_headers()
    del headers["gitlab-workhorse"]
    answer = stranger.get("/api/v4/geo/proxy", headers=headers)
    expected = {"message": "403 Forbidden - Request should be executed via GitLab Workhorse"}
    assert (answer.status_code, answer.json()) == (403, expected)


def test_two_slashes_and_dot_segments_are_cleaned(git: Git) -> None:
    """contract: git-http 19, and 10.2: what Workhorse matches without them, it sends on with them."""
    for path in ("//pub/lic.git", "/pub//lic.git", "/pub/./lic.git", "/pub/other/../lic.git"):
        allowed([git.client.get("/", PATH_INFO=f"{path}/info/refs", QUERY_STRING=f"service={PULL}")])
    allowed([git.client.get(f"/pub%2Flic.git/info/refs?service={PULL}")])


def test_a_post_without_body_and_content_type(git: Git) -> None:
    """contract: git-http 20."""
    allowed([git.client.generic("POST", f"/pub/lic.git/{PULL}", b"", content_type="")])


def test_no_answer_of_workhorses_media_type_without_its_token(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 1.2: what it opens holds Gitaly's token."""
    for path, token in (("pub/lic", None), ("gnuwget/wget2", pat("ann")), ("pub/lic", pat("max"))):
        refused(Git(signed=False).both(path, PULL, token), 403, "Nil JSON web token")
