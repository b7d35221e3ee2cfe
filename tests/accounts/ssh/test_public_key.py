"""Public keys as people paste them, their fingerprints and their faults (contract: shell-endpoints 3, allowed 2.4)."""

import base64
import math
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from accounts.ssh.fingerprint import fingerprint_of_parameter, fingerprint_of_search, lenient_base64_decode, md5_fingerprint
from accounts.ssh.public_key import InvalidPublicKeyError, parse_public_key
from accounts.ssh.weakness import compromise, site_problem
from internal_api.ssh_key_types import KEY_TYPES
from tests import public_keys

ALL = {
    "ssh-rsa": (public_keys.RSA_2048, 2048),
    "ssh-dss": (public_keys.DSA, 1024),
    "ecdsa-sha2-nistp256": (public_keys.ECDSA_256, 256),
    "ecdsa-sha2-nistp384": (public_keys.ECDSA_384, 384),
    "ecdsa-sha2-nistp521": (public_keys.ECDSA_521, 521),
    "ssh-ed25519": (public_keys.ED25519, 256),
    "sk-ecdsa-sha2-nistp256@openssh.com": (public_keys.SK_ECDSA, 256),
    "sk-ssh-ed25519@openssh.com": (public_keys.SK_ED25519, 256),
}


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_all_eight_types_are_read(key_type: str) -> None:
    text, bits = ALL[key_type]
    key = parse_public_key(text)
    assert (key.key_type, key.bits, key.line) == (key_type, bits, " ".join(text.split()[:2]))
    assert len(key.fingerprint) == 43
    assert compromise(key) is None


def test_base64_in_pieces_is_put_together_and_the_next_piece_is_the_comment() -> None:
    """shell-endpoints 3, key normalisation."""
    kind, encoded, _ = public_keys.RSA_2048.split(" ", 2)
    text = f"  {kind}\n{encoded[:76]}\n{encoded[76:152]}\t{encoded[152:]} me@laptop and more\n"
    key = parse_public_key(text)
    assert (key.line, key.comment) == (f"{kind} {encoded}", "me@laptop")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The key is empty."),
        (" \n", "The key is empty."),
        ("ssh-ed25519", "The key cannot be read; it may have been cut short."),
        ("ssh-ed25519 AAAA", "The key cannot be read; it may have been cut short."),
        (public_keys.ED25519[:60], "The key cannot be read; it may have been cut short."),
        (public_keys.ED25519.replace("ssh-ed25519", "ssh-rsa", 1), "The key cannot be read; it may have been cut short."),
        ("ssh-rsa " + "A" * 5000, "The key is longer than 5000 characters."),
        ('command="ls" ' + public_keys.ED25519, "A public key starts with its type, such as ssh-ed25519, without options before it."),
        (public_keys.ED25519.split()[1], "A public key starts with its type, such as ssh-ed25519, without options before it."),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl", "This is a private key; it must stay with its owner."),
        ("PuTTY-User-Key-File-3: ssh-ed25519", "This is a private key; it must stay with its owner."),
        ("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA", "The key is in a form that OpenSSH does not use; `ssh-keygen -i` converts it."),
        ("-----BEGIN PUBLIC KEY-----\nMIIB", "The key is in a form that OpenSSH does not use; `ssh-keygen -i` converts it."),
        ("ssh-ed25519-cert-v01@openssh.com AAAA", "This is a certificate; paste the public key it was made for."),
        ("ssh-ed25519 AAAA\x00", "The key has characters that no key has."),
        (public_keys.ED25519 + " a\x00b", "The key has characters that no key has."),
        (public_keys.ED25519 + " \ud800", "The key has characters that no key has."),
    ],
)
def test_what_is_no_key_is_refused_with_a_sentence_and_without_the_key(text: str, sentence: str) -> None:
    with pytest.raises(InvalidPublicKeyError) as caught:
        parse_public_key(text)
    assert str(caught.value).startswith(sentence)
    assert "AAAA" not in str(caught.value)


def ssh_rsa(modulus: int, exponent: int = 65537) -> str:
    """A public key of those numbers, sound or not."""

    def field(value: bytes) -> bytes:
        return struct.pack(">I", len(value)) + value

    def number(value: int) -> bytes:
        return field(value.to_bytes(value.bit_length() // 8 + 1, "big"))

    return "ssh-rsa " + base64.b64encode(field(b"ssh-rsa") + number(exponent) + number(modulus)).decode()


def test_rsa_with_primes_side_by_side_is_refused() -> None:
    """Such keys are factored in a moment (Fermat)."""
    p = rsa.generate_private_key(65537, 2048).private_numbers().p
    q = p + 2
    while not all(pow(base, q - 1, q) == 1 for base in (2, 3, 5, 7)):
        q += 2
    assert compromise(parse_public_key(ssh_rsa(p * q))) == "The key is known to be compromised or breakable; make a new one."


def test_a_key_that_everybody_has_is_refused() -> None:
    """Seed format: the well-known compromised keys are always refused."""
    assert compromise(parse_public_key(public_keys.VAGRANT)) == "The key is known to be compromised or breakable; make a new one."


def test_a_comment_may_say_anything() -> None:
    line = " ".join(public_keys.ED25519.split()[:2])
    assert parse_public_key(f"{line} BEGINNER'S").comment == "BEGINNER'S"
    assert parse_public_key(f"{line} not-my-PRIVATE KEY").comment == "not-my-PRIVATE"


def test_rsa_with_a_small_private_exponent_is_refused() -> None:
    numbers = rsa.generate_private_key(65537, 2048).private_numbers()
    order = (numbers.p - 1) * (numbers.q - 1)
    exponent = next(d for d in range(2**400 + 1, 2**400 + 10_001, 2) if math.gcd(d, order) == 1)
    assert compromise(parse_public_key(ssh_rsa(numbers.p * numbers.q, pow(exponent, -1, order)))) is not None


def test_rsa_with_a_small_factor_is_refused() -> None:
    p = rsa.generate_private_key(65537, 2048).private_numbers().p
    assert compromise(parse_public_key(ssh_rsa(p * p * 3))) is not None


def test_the_sites_own_rules() -> None:
    assert site_problem("ssh-rsa", 2048, [], {"ssh-rsa": 4096}) == "must be at least 4096 bits"
    assert site_problem("ssh-rsa", 4096, [], {"ssh-rsa": 4096}) is None
    assert site_problem("ssh-dss", 1024, ["ssh-ed25519", "ssh-rsa"], {}) == "type is forbidden. Must be ssh-rsa or ssh-ed25519"
    assert site_problem("ssh-ed25519", 256, [], {"ssh-rsa": 4096}) is None


SAMPLE = (
    "AAAAB3NzaC1yc2EAAAABJQAAAIEAiPWx6WM4lhHNedGfBpPJNPpZ7yKu+dnn1SJejgt4596k6YjzGGphH2TUxwKzxcKDKKezwkpfnxPkSMkuEspGRt/aZZ9wa++O"
    "i7Qkr8prgHc4soW6NUlfDzpvZK2H5E7eQaSeP3SAwGmQKUFHCddNaP0L+hM7zhFNzjFvpaMgJw0="
)


@pytest.mark.parametrize(
    ("parameter", "fingerprint"),
    [
        pytest.param(SAMPLE, "MQHWhS9nhzUezUdD42ytxubZoBKrZLbyBZzxCkmnxXc", id="shell-endpoints 16.5 #70"),
        pytest.param(SAMPLE[:-1], "MQHWhS9nhzUezUdD42ytxubZoBKrZLbyBZzxCkmnxXc", id="without the padding"),
        pytest.param(SAMPLE[:50] + "\n" + SAMPLE[50:], "MQHWhS9nhzUezUdD42ytxubZoBKrZLbyBZzxCkmnxXc", id="with a line break"),
        pytest.param(SAMPLE.replace("+", " "), "ixPG5ZmaMn1atVIETmUASIf9OJihzf4XKAgbSXZCFZo", id="pluses turned into blanks"),
        pytest.param(SAMPLE[:-3], "hSlQKwURfFmVunQbxlTnTUv8BpUtR5utzHs0WvwN8l0", id="three characters short"),
        pytest.param("whatever!", "NnsHf1oNC9PQJYW2zxcd3VWFjCGKrwHAYk4iU/vuRGY", id="whatever"),
        pytest.param("", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", id="nothing"),
        pytest.param(
            "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
            "ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA",
            id="ed25519",
        ),
    ],
)
def test_fingerprints_of_the_contract(parameter: str, fingerprint: str) -> None:
    assert fingerprint_of_parameter(parameter) == fingerprint


def test_the_older_form() -> None:
    """shell-endpoints 16.5 #71."""
    assert md5_fingerprint(base64.b64decode(SAMPLE)) == "3f:a2:ee:de:b5:de:53:c3:aa:2f:9c:45:24:4c:47:7b"


@pytest.mark.parametrize(
    "pasted", ["SHA256:" + parse_public_key(public_keys.ED25519).fingerprint, public_keys.ED25519, public_keys.ED25519.split()[1],
               parse_public_key(public_keys.ED25519).fingerprint]
)  # fmt: skip
def test_a_key_is_searched_by_whatever_one_has_of_it(pasted: str) -> None:
    assert fingerprint_of_search(pasted) == parse_public_key(public_keys.ED25519).fingerprint
    assert fingerprint_of_search("laptop") is None


def slowly_decoded(text: str) -> bytes:
    """Ruby's rule, letter by letter."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    bits, count, out = 0, 0, bytearray()
    for letter in text:
        if letter == "=":
            break
        if letter not in alphabet:
            continue
        bits, count = (bits << 6) | alphabet.index(letter), count + 6
        if count >= 8:
            count -= 8
            out.append(bits >> count & 0xFF)
    return bytes(out)


@given(st.text(alphabet="AZaz09+/=-_! \n\x00é", max_size=60))
def test_decoding_forgives_as_ruby_does(text: str) -> None:
    assert lenient_base64_decode(text) == slowly_decoded(text)
