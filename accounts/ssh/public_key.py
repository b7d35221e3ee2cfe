"""Reading a public key as people paste it (contract: shell-endpoints 3, key normalisation)."""

import base64
import binascii
import warnings
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from cryptography.utils import CryptographyDeprecationWarning

from accounts.ssh.fingerprint import fingerprint, md5_fingerprint
from internal_api.ssh_key_types import KEY_TYPES

MAX_LENGTH = 5000
_ED25519_BITS = 256


class InvalidPublicKeyError(ValueError):
    """A text that is no public key of ours; one sentence, without the text."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that can be read. `line` is what is stored and what OpenSSH matches: type and base64."""

    key_type: str
    bits: int
    encoded: str
    comment: str

    @property
    def line(self) -> str:
        return f"{self.key_type} {self.encoded}"

    @property
    def blob(self) -> bytes:
        return base64.b64decode(self.encoded)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.blob)

    @property
    def fingerprint_md5(self) -> str:
        return md5_fingerprint(self.blob)


def parse_public_key(text: str) -> PublicKey:
    """The key in a pasted text: base64 broken over several pieces is put together, the piece after it is the comment.

    Raises InvalidPublicKeyError.
    """
    problem = _obvious_problem(text)
    if problem:
        raise InvalidPublicKeyError(problem)
    key_type, *pieces = text.split()
    if key_type not in KEY_TYPES:
        raise InvalidPublicKeyError("A public key starts with its type, such as ssh-ed25519, without options before it.")
    encoded = ""
    for number, piece in enumerate(pieces, 1):
        encoded += piece
        bits = _bits(key_type, encoded)
        if bits is not None:
            comment = pieces[number] if number < len(pieces) else ""
            return PublicKey(key_type, bits, _canonical(encoded), comment)
    raise InvalidPublicKeyError("The key cannot be read; it may have been cut short.")


def _obvious_problem(text: str) -> str | None:
    if not text.strip():
        return "The key is empty."
    if len(text) > MAX_LENGTH:
        return f"The key is longer than {MAX_LENGTH} characters."
    if not _is_storable(text):
        return "The key has characters that no key has."
    start = text.lstrip()
    if start.startswith("PuTTY-User-Key-File") or (start.startswith("--") and "PRIVATE KEY" in start.split("\n", 1)[0]):
        return "This is a private key; it must stay with its owner. Paste the public key, the file that ends in .pub."
    if start.startswith("--"):
        return "The key is in a form that OpenSSH does not use; `ssh-keygen -i` converts it."
    if "-cert-v01@" in text:
        return "This is a certificate; paste the public key it was made for."
    return None


def _is_storable(text: str) -> bool:
    """Whether a database keeps the text: its comment may become the key's title."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _canonical(encoded: str) -> str:
    return base64.b64encode(base64.b64decode(encoded)).decode()


def _bits(key_type: str, encoded: str) -> int | None:
    """How long the key is, or None while the text is no whole key of that type."""
    try:
        base64.b64decode(encoded, validate=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # DSA: whether it is welcome is a setting
            key = load_ssh_public_key(f"{key_type} {encoded}".encode())
    except (ValueError, binascii.Error, UnsupportedAlgorithm, NotImplementedError):
        return None
    return key.key_size if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey | ec.EllipticCurvePublicKey) else _ED25519_BITS
