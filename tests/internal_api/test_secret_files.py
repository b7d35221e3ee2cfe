"""Secrets that are made on first start: whole, private, and one for all who start at once."""

import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from internal_api.secret_files import secrets_beside, write_secret


def test_a_secret_is_private_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "secret"
    assert write_secret(path, "first") == "first"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert write_secret(path, "second") == "first"
    assert [file.name for file in path.parent.iterdir()] == ["secret"]


def _start(path: Path, number: int, result: Path) -> None:
    os.getpid = lambda: 1  # containers on one volume are all process 1
    result.write_text(write_secret(path, f"secret of {number}"))


def test_starters_with_one_process_id_on_one_volume_agree(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for attempt in range(10):
        path = tmp_path / str(attempt) / "secret"
        results = [tmp_path / f"{attempt}.{number}" for number in range(4)]
        starters = [context.Process(target=_start, args=(path, *pair)) for pair in enumerate(results)]
        for starter in starters:
            starter.start()
        for starter in starters:
            starter.join(60)
        assert {result.read_text() for result in results} == {path.read_text().strip()}


def test_secrets_beside_a_file_are_found_with_and_without_their_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("the one in use\n")
    assert secrets_beside(path) == secrets_beside(None) == ()
    (tmp_path / "secret.next").write_text("next\n")
    (tmp_path / "secret.previous").write_text("previous")
    (tmp_path / "secret.other").write_text("nobody asks for it")
    assert secrets_beside(path) == ("next", "next\n", "previous")


def test_an_empty_file_beside_a_secret_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret.next").write_text(" \n")
    with pytest.raises(ValueError, match=r"secret\.next holds an empty secret"):
        secrets_beside(tmp_path / "secret")
