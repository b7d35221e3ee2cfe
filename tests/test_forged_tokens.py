"""Every kind of forged or misplaced credential, on every address (RFC 8725; allowed 1.2, kubernetes-agent 1, scim 1.1)."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.test import Client

from accounts.services.personal_access_tokens import create_token, revoke
from internal_api.service_secrets import service_secrets
from internal_api.service_tokens import KAS, SHELL, WORKHORSE
from kubernetes_agent.models import Agent, AgentToken
from kubernetes_agent.services.tokens import create_agent_token, revoke_agent_token
from tests.factories import UserFactory
from tests.insider import AGENT_TOKEN, PERSONAL_TOKEN, SCIM_TOKEN, insider_client, is_for_kas, refusal
from tests.test_every_route import ADDRESSES, OPEN_TO_ANYONE
from tests.test_every_route import WORKHORSE as OF_WORKHORSE

CLOSED = sorted(set(ADDRESSES) - OPEN_TO_ANYONE)
BY_SERVICE = [address for address in CLOSED if "/internal/" in address]


def part(value: object) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def signed(header: dict[str, Any], claims: object, secret: bytes) -> str:
    """Put together by hand, since libraries refuse to make bad tokens."""
    text = f"{part(header)}.{part(claims)}"
    digest = {"HS384": hashlib.sha384, "HS512": hashlib.sha512}.get(str(header.get("alg")), hashlib.sha256)
    return f"{text}.{part(hmac.new(secret, text.encode(), digest).digest())}"


RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = RSA_KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def claims_of(is_kas: bool, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {"iss": "gitlab-kas" if is_kas else "gitlab-shell", "iat": now, "nbf": now - 1, "exp": now + 50} | (
        {"aud": ["gitlab"]} if is_kas else {}
    )
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def hs(**header: Any) -> dict[str, Any]:
    return {"alg": "HS256", "typ": "JWT", **header}


pytestmark = pytest.mark.once
Maker = Callable[[bytes, bool], str]
FORGED: dict[str, Maker] = {
    "none": lambda secret, kas: f"{part(hs(alg='none'))}.{part(claims_of(kas))}.",
    "None": lambda secret, kas: f"{part(hs(alg='None'))}.{part(claims_of(kas))}.",
    "nOnE": lambda secret, kas: f"{part(hs(alg='nOnE'))}.{part(claims_of(kas))}.",
    "no signature": lambda secret, kas: signed(hs(), claims_of(kas), secret).rpartition(".")[0] + ".",
    "signature cut": lambda secret, kas: signed(hs(), claims_of(kas), secret)[:-4],
    "two parts": lambda secret, kas: signed(hs(), claims_of(kas), secret).rpartition(".")[0],
    "no algorithm": lambda secret, kas: signed({"typ": "JWT"}, claims_of(kas), secret),
    "HS384": lambda secret, kas: signed(hs(alg="HS384"), claims_of(kas), secret),
    "HS512": lambda secret, kas: signed(hs(alg="HS512"), claims_of(kas), secret),
    "RS256": lambda secret, kas: jwt.encode(claims_of(kas), RSA_KEY, algorithm="RS256"),
    "PS256": lambda secret, kas: jwt.encode(claims_of(kas), RSA_KEY, algorithm="PS256"),
    "ES256": lambda secret, kas: jwt.encode(claims_of(kas), EC_KEY, algorithm="ES256"),
    "signed with a public key": lambda secret, kas: signed(hs(), claims_of(kas), PUBLIC),
    "says RS256, signed with the secret": lambda secret, kas: signed(hs(alg="RS256"), claims_of(kas), secret),
    "empty secret": lambda secret, kas: signed(hs(), claims_of(kas), b""),
    "another secret": lambda secret, kas: signed(hs(), claims_of(kas), b"x" * 32),
    "kid of a file": lambda secret, kas: signed(hs(kid="../../../../dev/null"), claims_of(kas), b""),
    "kid with SQL": lambda secret, kas: signed(hs(kid="x' UNION SELECT 'x"), claims_of(kas), b"x"),
    "jku": lambda secret, kas: signed(hs(jku="http://127.0.0.1/keys"), claims_of(kas), b"x"),
    "jwk": lambda secret, kas: signed(hs(jwk={"kty": "oct", "k": part(b"x")}), claims_of(kas), b"x"),
    "x5u": lambda secret, kas: signed(hs(x5u="http://127.0.0.1/certificate"), claims_of(kas), b"x"),
    "critical extension": lambda secret, kas: signed(hs(crit=["unheard-of"], **{"unheard-of": 1}), claims_of(kas), secret),
    "not base64 payload": lambda secret, kas: signed(hs(b64=False, crit=["b64"]), claims_of(kas), secret),
    "another issuer": lambda secret, kas: signed(hs(), claims_of(kas, iss="gitlab-kas" if not kas else "gitlab-shell"), secret),
    "no issuer": lambda secret, kas: signed(hs(), claims_of(kas, iss=None), secret),
    "issuers": lambda secret, kas: signed(hs(), claims_of(kas, iss=["gitlab-shell", "gitlab-kas"]), secret),
    "expired": lambda secret, kas: signed(hs(), claims_of(kas, exp=int(time.time()) - 120), secret),
    "not yet valid": lambda secret, kas: signed(hs(), claims_of(kas, nbf=int(time.time()) + 120), secret),
    "expiry a text": lambda secret, kas: signed(hs(), claims_of(kas, exp="tomorrow"), secret),
    "expiry an object": lambda secret, kas: signed(hs(), claims_of(kas, exp={}), secret),
    "claims a list": lambda secret, kas: signed(hs(), ["gitlab-shell"], secret),
    "claims a text": lambda secret, kas: signed(hs(), "gitlab-shell", secret),
    "claims no JSON": lambda secret, kas: signed(hs(), b"{", secret),
    "header no JSON": lambda secret, kas: f"{part(b'x')}.{part(claims_of(kas))}.{part(b'x')}",
    "header a list": lambda secret, kas: f"{part([])}.{part(claims_of(kas))}.{part(b'x')}",
    "nested": lambda secret, kas: signed(hs(cty="JWT"), signed(hs(), claims_of(kas), secret), secret),
    "encrypted": lambda secret, kas: ".".join([part({"alg": "dir", "enc": "A256GCM"}), "", part(b"iv"), part(b"text"), part(b"tag")]),
    "huge": lambda secret, kas: signed(hs(), claims_of(kas, x="y" * 200_000), b"x"),
    "deep": lambda secret, kas: signed(hs(), b'{"a":' * 50_000, b"x"),
    "dots": lambda secret, kas: "." * 1000,
    "other characters": lambda secret, kas: "\u00e9.\u00e9.\u00e9".encode().decode("latin-1"),
}


@pytest.mark.parametrize("name", FORGED)
def test_no_forged_service_token_opens_any_address(db: None, name: str) -> None:
    """The signature, the algorithm, the issuer, the audience, the times: each is looked at, and no header names a key."""
    insider_client()
    make = FORGED[name]
    for number, address in enumerate(BY_SERVICE):
        service = KAS if is_for_kas(address) else SHELL
        token = make(service_secrets(service)[0], service is KAS)
        headers = {f"gitlab-{who}-api-request": token for who in ("shell", "kas")} | {"gitlab-agent-api-request": AGENT_TOKEN}
        response = getattr(Client(headers=headers), ("get", "post")[number % 2])(address)
        assert (response.status_code, response.json()) == (401, refusal(address)), address


@pytest.mark.parametrize("audience", [None, "other", ["other"], [], {"gitlab": 1}])
def test_a_token_of_kas_is_for_this_audience(db: None, audience: Any) -> None:
    token = signed(hs(), claims_of(True, aud=audience), service_secrets(KAS)[0])
    for address in BY_SERVICE:
        if is_for_kas(address):
            assert Client(headers={"gitlab-kas-api-request": token}).get(address).status_code == 401


def opened(headers: dict[str, str], address: str) -> set[int]:
    return {getattr(Client(headers=headers), method)(address).status_code for method in ("get", "post", "put", "patch", "delete")}


def areas_of(address: str) -> set[str]:
    """Return whose address it is; audit events come from GitLab Shell and from Workhorse."""
    if address in OF_WORKHORSE:
        return {"workhorse"}
    if address.endswith("/git_audit_event"):
        return {"shell", "workhorse"}
    area = "scim" if "/scim/" in address else "kas" if is_for_kas(address) else "shell" if "/internal/" in address else "rest"
    return {area}


@pytest.mark.parametrize("address", CLOSED)
def test_each_credential_opens_its_own_addresses_and_no_other(db: None, address: str) -> None:
    """One at a time: what opens one area is a stranger in all others."""
    insider_client()
    shell, kas = SHELL.issue(service_secrets(SHELL)[0], lifetime=3600), KAS.issue(service_secrets(KAS)[0], lifetime=3600)
    workhorse = WORKHORSE.issue(service_secrets(WORKHORSE)[0], lifetime=3600)
    areas, refused = areas_of(address), {403 if address in OF_WORKHORSE else 401}
    credentials: dict[str, dict[str, str]] = {
        "shell": {"gitlab-shell-api-request": shell},
        "kas": {"gitlab-kas-api-request": kas},
        "workhorse": {"gitlab-workhorse-api-request": workhorse},
        "rest": {"private-token": PERSONAL_TOKEN},
        "scim": {"authorization": f"Bearer {SCIM_TOKEN}"},
    }
    for name, headers in credentials.items():
        if name not in areas:
            assert opened(headers, address) == refused, name
    swapped = [{"gitlab-kas-api-request": shell}, {"gitlab-shell-api-request": kas}, {"gitlab-agent-api-request": AGENT_TOKEN}]
    texts = (AGENT_TOKEN, PERSONAL_TOKEN if "rest" not in areas else AGENT_TOKEN, shell, kas)
    swapped += [{"authorization": f"Bearer {text}"} for text in texts]
    for headers in swapped:
        assert opened(headers, address) == refused, headers.keys()


def test_what_was_revoked_or_has_expired_opens_nothing(db: None) -> None:
    insider_client()
    person = UserFactory.create(username="former", admin=True)
    token, clear = create_token(user=person, name="x", scopes=["api"], expires_at=None)
    address = "/api/v4/namespaces/storage/limit_exclusions"
    assert Client(headers={"private-token": clear}).get(address).status_code == 200
    revoke(token)
    assert Client(headers={"private-token": clear}).get(address).status_code == 401
    agent_token, agent_clear = create_agent_token(agent=Agent.objects.get(), name="second")
    headers = {"gitlab-kas-api-request": KAS.issue(service_secrets(KAS)[0], lifetime=3600), "gitlab-agent-api-request": agent_clear}
    info = "/api/v4/internal/kubernetes/agent_info"
    assert Client(headers=headers).get(info).status_code == 200
    revoke_agent_token(AgentToken.objects.get(pk=agent_token.pk))
    assert Client(headers=headers).get(info).status_code == 401
