"""Passwords are hashed in a thread of the lowest priority, as Django hashes them."""

import os
import threading
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from accounts.password_hasher import LOWEST_PRIORITY, BackgroundPBKDF2PasswordHasher


def test_a_hash_is_djangos_own() -> None:
    found = BackgroundPBKDF2PasswordHasher().encode("a password", "salt", 1000)
    assert found == PBKDF2PasswordHasher().encode("a password", "salt", 1000)
    assert PBKDF2PasswordHasher().verify("a password", found)
    assert BackgroundPBKDF2PasswordHasher().verify("a password", found)
    assert not BackgroundPBKDF2PasswordHasher().verify("another", found)


def test_it_is_worked_out_where_everybody_else_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int]] = []

    def encode(self: Any, *arguments: object) -> str:
        seen.append((threading.current_thread().name, os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))
        return "hash"

    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", encode)
    assert BackgroundPBKDF2PasswordHasher().encode("a password", "salt") == "hash"
    assert seen == [("password-hash_0", LOWEST_PRIORITY)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < LOWEST_PRIORITY, "this thread is as it was"
