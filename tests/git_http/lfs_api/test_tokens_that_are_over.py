"""LFS tokens that are over or for another repository: refused, and neither hashed as passwords nor counted as guesses."""

import time
from collections.abc import Callable

import pytest
from pytest_django.fixtures import Settings

from accounts.models import User
from accounts.selectors.acting_accounts import ActingAccount
from accounts.services.lfs_tokens import issue_lfs_token
from tests.git_http.conftest import PULL, Git, basic, refused
from tests.git_http.lfs_api.conftest import LFS, entries

ADDRESS = "203.0.113.7"
LOCKS = "info/lfs/locks"


@pytest.fixture(autouse=True)
def _no_password_is_hashed(store: object, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    def hash_one(_: User, raw: str) -> bool:
        raise AssertionError(raw)

    monkeypatch.setattr(User, "check_password", hash_one)
    monkeypatch.setattr(User, "set_password", hash_one)
    settings.GIT_HTTP_FAILURES = 3
    settings.TRUSTED_ADDRESSES = ["127.0.0.1"]


def over(user: User, monkeypatch: pytest.MonkeyPatch) -> str:
    """A token that ended an hour ago."""
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr("accounts.services.lfs_tokens.time.time", lambda: now - 3600 - 1800)
        return issue_lfs_token(ActingAccount(None, user), "gid://gitlab/Project/7")


@pytest.mark.parametrize("login", ["ann", "ANN", "ann@example.com"])
def test_upload_that_outlived_its_token_bans_nobody(
    lfs: LFS, people: dict[str, User], pat: Callable[..., str], monkeypatch: pytest.MonkeyPatch, login: str
) -> None:
    """Several uploads at once that end after half an hour fail together, and git-lfs goes on with a new batch."""
    header = basic(login, over(people["ann"], monkeypatch))
    for _ in range(5):
        refused([lfs.get(LOCKS, header, x_forwarded_for=ADDRESS)], 401)
    assert lfs.get(LOCKS, pat("ann"), x_forwarded_for=ADDRESS).status_code == 200


def test_token_at_another_repository_or_for_git_itself_bans_nobody(lfs: LFS, git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 52."""
    header = entries(lfs.batch("upload", pat("ann")))[0]["actions"]["upload"]["header"]["Authorization"]
    for _ in range(3):
        refused([lfs.at("pub/lic").get(LOCKS, header, x_forwarded_for=ADDRESS)], 401)
        refused([git.info_refs("gnuwget/wget2", PULL, header, x_forwarded_for=ADDRESS)], 401)
    assert lfs.get(LOCKS, pat("ann"), x_forwarded_for=ADDRESS).status_code == 200


@pytest.mark.parametrize("login", ["max", "nobody", "lfs+deploy-key-1", ""])
def test_token_that_was_not_signed_for_the_login_is_a_guess(
    lfs: LFS, people: dict[str, User], pat: Callable[..., str], monkeypatch: pytest.MonkeyPatch, login: str
) -> None:
    header = basic(login, over(people["ann"], monkeypatch))
    for _ in range(3):
        refused([lfs.get(LOCKS, header, x_forwarded_for=ADDRESS)], 401)
    refused([lfs.get(LOCKS, pat("ann"), x_forwarded_for=ADDRESS)], 403)


def test_token_of_another_signature_is_a_guess(
    lfs: LFS, people: dict[str, User], pat: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    header = basic("ann", over(people["ann"], monkeypatch)[:-4] + "AAAA")
    for _ in range(3):
        refused([lfs.get(LOCKS, header, x_forwarded_for=ADDRESS)], 401)
    refused([lfs.get(LOCKS, pat("ann"), x_forwarded_for=ADDRESS)], 403)
