"""Keys that should not be used: those the instance does not want, and those that anybody can break."""

import warnings
from collections.abc import Collection, Mapping

from cryptography.utils import CryptographyDeprecationWarning

from accounts.ssh.known_keys import KNOWN_COMPROMISED
from accounts.ssh.public_key import PublicKey
from internal_api.ssh_key_types import KEY_TYPES

LEAST_RSA_BITS = 1024
UNREADABLE_RULES = "is refused, since the rules on keys of its type cannot be read. Please contact your administrator"
_COMPROMISED = "The key is known to be compromised or breakable; make a new one."
_CHECKS = ("fermat", "roca", "rsainvalid", "rsapoly", "sharedprimes", "smallfactors", "smalld", "dsasparse")


def site_problem(key_type: str, bits: int, allowed_types: Collection[str], minimum_bits: Mapping[str, int | None]) -> str | None:
    """What the instance's rules have against a key, as the end of a sentence that begins "Your SSH key"; None for nothing.

    Asked when a key is entered and, since the rules may change, at every use of it (contract: allowed 2.4). A minimum of None, and
    allowed types of which none exists, stand for settings that cannot be read.
    """
    if allowed_types and key_type not in allowed_types:
        names = [name for name in KEY_TYPES if name in allowed_types]
        return f"type is forbidden. Must be {' or '.join(names)}" if names else UNREADABLE_RULES
    minimum = minimum_bits.get(key_type, 0)
    if minimum is None:
        return UNREADABLE_RULES
    return f"must be at least {minimum} bits" if bits < minimum else None


def compromise(key: PublicKey) -> str | None:
    """Why nobody's key should look like this, as a sentence; None for a sound one. Asked when a key is entered.

    Refused whatever the settings: RSA below 1024 bits; RSA made by the generators with the ROCA and the close-primes
    (Fermat) faults, with small factors or a small private exponent, or sharing a prime with the compromised keys that the
    badkeys package carries; DSA with a sparse public value; the published keys of `known_keys`. Not covered: the lists of
    keys that have to be downloaded, such as those of Debian's weak generator (CVE-2008-0166).
    """
    if key.fingerprint in KNOWN_COMPROMISED:
        return _COMPROMISED
    if key.key_type == "ssh-rsa" and key.bits < LEAST_RSA_BITS:
        return f"An RSA key must have at least {LEAST_RSA_BITS} bits."
    from badkeys.checks import checksshpubkey  # noqa: PLC0415  loaded by the first key that is entered: it brings libraries of its own

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # DSA again
        found = checksshpubkey(key.line, checks=_CHECKS)
    return _COMPROMISED if found["results"] else None
