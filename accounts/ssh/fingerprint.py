"""Fingerprints: how a key is found whatever form it comes in (contract: shell-endpoints 3)."""

import base64
import binascii
import hashlib
import re

_OUTSIDE_THE_ALPHABET = re.compile(r"[^A-Za-z0-9+/]")


def lenient_base64_decode(text: str) -> bytes:
    """Decode what GitLab Shell and OpenSSH send: with or without padding, with stray characters, never failing.

    Characters outside the standard alphabet are skipped, `=` ends the text, a single character left over is dropped.
    """
    letters = _OUTSIDE_THE_ALPHABET.sub("", text.partition("=")[0])
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return base64.b64decode(letters + "=" * (-len(letters) % 4))


def fingerprint(blob: bytes) -> str:
    """Base64 of the SHA-256 digest of a key in its binary form, without padding: 43 characters."""
    return base64.b64encode(hashlib.sha256(blob).digest())[:43].decode()


def fingerprint_of_parameter(key: str) -> str:
    """The fingerprint of the `key` parameter of GET /authorized_keys."""
    try:
        return fingerprint(base64.b64decode(key, validate=True))  # a padded key, straight through C
    except (binascii.Error, ValueError):
        return fingerprint(lenient_base64_decode(key))


def md5_fingerprint(blob: bytes) -> str:
    """The form that older programs print: `aa:bb:...`, 16 pairs."""
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[start : start + 2] for start in range(0, len(digest), 2))


def fingerprint_of_search(text: str) -> str | None:
    """What somebody pastes to find a key: a key line, its base64, or `SHA256:...`; None when it is none of these."""
    text = text.strip()
    if text.startswith("SHA256:"):
        return text.removeprefix("SHA256:").rstrip("=")
    if re.fullmatch(r"[A-Za-z0-9+/]{43}", text):
        return text
    blob = next((word for word in text.split() if word.startswith("AAAA")), None)
    return fingerprint_of_parameter(blob) if blob else None
