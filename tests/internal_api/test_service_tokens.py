"""The tokens of GitLab Shell and kas (contract: allowed 1.2 and 10.1, gitaly 1.4 and 6, kubernetes-agent 1.1 and 8.1)."""

import base64
import json
import stat
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.exceptions import ImproperlyConfigured
from pytest_django.fixtures import Settings

from internal_api.service_secrets import _secrets_of, service_secrets
from internal_api.service_tokens import KAS, SHELL, InvalidServiceTokenError, Service, ServiceCaller, UnusableSecretError, read_secrets
from internal_api.system_checks import check_service_secrets

SECRET = b"test-secret"
OTHER = b"another secret"


def shell_token(**claims: Any) -> str:
    return jwt.encode({"iss": "gitlab-shell", **claims}, SECRET, algorithm="HS256")


def refuses(service: Service, token: str, secret: bytes = SECRET) -> None:
    with pytest.raises(InvalidServiceTokenError):
        service.verify(token, [secret])


def test_the_token_of_the_contract_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gitaly 6 #7: the very vector, accepted half a minute later and refused three minutes later."""
    vector = (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJnaXRsYWItc2hlbGwiLCJleHAiOjE3MDAwMDAwNjAsImlhdCI6MTcwMDAwMDAwMH0"
        ".bAgNIpO5kYtCQiUIHQaM4ABV2E1menkol3Bgc6qmSA0"
    )
    claims = jwt.decode(vector, SECRET, algorithms=["HS256"], options={"verify_exp": False})
    assert claims == {"iss": "gitlab-shell", "exp": 1700000060, "iat": 1700000000}
    clock = [1700000030.0]

    class Clock:
        @staticmethod
        def now(tz: Any = None) -> Any:
            from datetime import UTC, datetime  # noqa: PLC0415  the real one, which is being replaced

            return datetime.fromtimestamp(clock[0], UTC)

    monkeypatch.setattr("jwt.api_jwt.datetime", Clock)
    assert SHELL.verify(vector, [SECRET]) == ServiceCaller("gitlab-shell")
    clock[0] = 1700000119.0
    SHELL.verify(vector, [SECRET])
    clock[0] = 1700000120.0
    refuses(SHELL, vector)


def now() -> int:
    return int(time.time())


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({}, id="no times at all: shell-endpoints 1.1"),
        pytest.param({"iat": 10, "exp": 60}, id="fresh"),
        pytest.param({"iat": 10}, id="allowed 10.1 #2: a clock ten seconds ahead"),
        pytest.param({"iat": 600}, id="decisions 6: iat is not checked"),
        pytest.param({"exp": -50}, id="expired within the leeway"),
        pytest.param({"nbf": 50}, id="not yet valid within the leeway"),
    ],
)
def test_times_that_are_accepted(claims: dict[str, int]) -> None:
    SHELL.verify(shell_token(**{name: now() + offset for name, offset in claims.items()}), [SECRET])


@pytest.mark.parametrize("claims", [{"exp": -60}, {"exp": -61}, {"nbf": 62}, {"exp": -1000}])
def test_times_that_are_refused(claims: dict[str, int]) -> None:
    """shell-endpoints 1.1: expired is `exp` <= now - 60."""
    refuses(SHELL, shell_token(**{name: now() + offset for name, offset in claims.items()}))


def test_who_else_issued_it_is_refused() -> None:
    """Allowed 10.1 #4, shell-endpoints 16.1 #10, #11; gitaly 6 #5."""
    for issuer in ("gitlab-workhorse", "wrong issuer", "GitLab-Shell", "", None, ["gitlab-shell"], 7):
        signed = jwt.api_jws.PyJWS().encode(json.dumps({"iss": issuer}).encode(), SECRET, algorithm="HS256")
        refuses(SHELL, signed)
    refuses(SHELL, jwt.encode({"sub": "x"}, SECRET, algorithm="HS256"))
    refuses(SHELL, shell_token(), OTHER)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "junk",
        "a.b.c",
        "..",
        "Bearer " + shell_token(),
        shell_token()[:-2],
        shell_token() + "x",
        "é",
        "\x00",
        "a" * 100_000,
        "e30.e30.e30",
    ],
)
def test_junk_is_refused(token: str) -> None:
    refuses(SHELL, token)


def test_another_algorithm_is_refused() -> None:
    """Gitaly 6 #5: none, HS512, RS256, and a public key offered as an HMAC secret."""
    claims = {"iss": "gitlab-shell"}
    refuses(SHELL, jwt.encode(claims, "", algorithm="none"))
    refuses(SHELL, jwt.encode(claims, SECRET, algorithm="HS512"))
    refuses(SHELL, jwt.encode(claims, SECRET, algorithm="HS384"))
    key = rsa.generate_private_key(65537, 2048)
    refuses(SHELL, jwt.encode(claims, key, algorithm="RS256"))
    header = base64.urlsafe_b64encode(b'{"alg":"nOnE"}').rstrip(b"=").decode()
    refuses(SHELL, f"{header}.{shell_token().split('.')[1]}.")


def test_what_the_service_issues_it_accepts() -> None:
    assert SHELL.verify(SHELL.issue(SECRET), [SECRET]).issuer == "gitlab-shell"
    assert KAS.verify(KAS.issue(bytes(32), lifetime=30), [bytes(32)]).issuer == "gitlab-kas"
    refuses(KAS, SHELL.issue(bytes(32)), bytes(32))
    refuses(SHELL, KAS.issue(bytes(32)), bytes(32))


def kas_token(**claims: Any) -> str:
    return jwt.encode({"iss": "gitlab-kas", "aud": "gitlab", **claims}, bytes(32), algorithm="HS256")


@pytest.mark.parametrize(
    ("claims", "accepted"),
    [
        pytest.param({}, True, id="kubernetes-agent 8.1 #4"),
        pytest.param({"aud": ["gitlab", "other"]}, True, id="a list of audiences"),
        pytest.param({"aud": "gitlab-kas"}, False, id="another audience"),
        pytest.param({"iss": "wrong issuer"}, False, id="kubernetes-agent 8.1 #2"),
        pytest.param({"exp": now() - 1}, False, id="kubernetes-agent 8.1 #13: no leeway"),
        pytest.param({"nbf": now() + 10_000}, False, id="kubernetes-agent 8.1 #14"),
        pytest.param({"iat": now() + 1000}, True, id="a future iat is accepted"),
        pytest.param({"iat": "soon"}, False, id="an iat that is no number"),
    ],
)
def test_tokens_of_kas(claims: dict[str, Any], accepted: bool) -> None:
    if accepted:
        KAS.verify(kas_token(**claims), [bytes(32)])
    else:
        refuses(KAS, kas_token(**claims), bytes(32))


def test_a_kas_token_without_audience_is_refused() -> None:
    refuses(KAS, jwt.encode({"iss": "gitlab-kas"}, bytes(32), algorithm="HS256"), bytes(32))


@pytest.mark.parametrize("text", ["test-secret", "test-secret\n", "\r\n \ttest-secret\r\n", "\u00a0test-secret\u2003"])
def test_white_space_around_the_shells_secret_is_not_part_of_it(text: str) -> None:
    """gitlab-shell 5 #2, gitaly 6 #1."""
    assert SHELL.secret_from(text) == SECRET


@pytest.mark.parametrize(
    ("service", "text"), [(SHELL, ""), (SHELL, " \n"), (KAS, ""), (KAS, "AAAA"), (KAS, "not base64!"), (KAS, "A" * 88)]
)
def test_a_secret_that_is_none(service: Service, text: str) -> None:
    """kubernetes-agent 8.1 #10, decisions 6."""
    with pytest.raises(UnusableSecretError):
        service.secret_from(text)


def test_two_secrets_are_live_during_a_rotation(tmp_path: Path) -> None:
    """Decisions 6: the previous one is in a file of its own."""
    (tmp_path / "new").write_text("new secret\n")
    (tmp_path / "old").write_text("test-secret\n")
    live = read_secrets(SHELL, tmp_path / "new", tmp_path / "old")
    SHELL.verify(shell_token(), live)
    SHELL.verify(SHELL.issue(b"new secret"), live)
    refuses(SHELL, shell_token(), b"new secret")


@pytest.mark.parametrize(("service", "option"), [(SHELL, "GITLAB_SHELL_SECRET_FILE"), (KAS, "GITLAB_KAS_SECRET_FILE")])
def test_a_missing_secret_is_made_for_our_eyes_only(tmp_path: Path, settings: Settings, service: Service, option: str) -> None:
    """Decisions 8, kubernetes-agent 8.1 #11: never where secrets are required, and never over an existing one."""
    setattr(settings, option, tmp_path / "secret")
    settings.REQUIRE_SECRETS = True
    with pytest.raises(ImproperlyConfigured):
        service_secrets(service)
    settings.REQUIRE_SECRETS = False
    (made,) = service_secrets(service)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    _secrets_of.cache_clear()
    assert service_secrets(service) == (made,)


def test_an_empty_secret_file_refuses_to_start(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "secret").write_text("\n")
    settings.GITLAB_SHELL_SECRET_FILE = tmp_path / "secret"
    with pytest.raises(ImproperlyConfigured):
        service_secrets(SHELL)


@pytest.mark.parametrize("ending", [".next", ".previous"])
def test_a_secret_in_a_file_beside_the_current_one_is_accepted(tmp_path: Path, settings: Settings, ending: str) -> None:
    settings.GITLAB_SHELL_SECRET_FILE = tmp_path / "secret"
    (tmp_path / "secret").write_text("the current secret\n")
    (tmp_path / f"secret{ending}").write_text("the other secret\n")
    current, other = service_secrets(SHELL)
    assert (current, other) == (b"the current secret", b"the other secret")
    SHELL.verify(SHELL.issue(other), service_secrets(SHELL))


def test_an_unusable_secret_beside_the_current_one_refuses_to_start_and_names_its_file(tmp_path: Path, settings: Settings) -> None:
    settings.GITLAB_KAS_SECRET_FILE = tmp_path / "secret"
    (tmp_path / "secret").write_bytes(base64.b64encode(bytes(32)))
    (tmp_path / "secret.next").write_text("no base64")
    with pytest.raises(ImproperlyConfigured, match=r"secret\.next: The secret of gitlab-kas is not base64"):
        service_secrets(KAS)


@pytest.mark.parametrize(
    ("files", "required", "problem"),
    [
        ({"secret": "a secret"}, True, None),
        ({}, False, None),
        ({}, True, "cannot be used"),
        ({"secret": "\n"}, False, "empty"),
        ({"secret": "a secret", "secret.next": " "}, False, "secret.next"),
        ({"secret.previous": "a secret"}, False, "Move the secret that is in use to"),
    ],
)
def test_the_check_before_a_reload_tells_what_gunicorn_would_not_start_with(
    tmp_path: Path, settings: Settings, files: dict[str, str], required: bool, problem: str | None
) -> None:
    settings.GITLAB_SHELL_SECRET_FILE = tmp_path / "secret"
    settings.REQUIRE_SECRETS = required
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    found = [str(error.msg) for error in check_service_secrets(None)]
    assert ([problem in text for text in found] == [True]) if problem else (found == [])
    assert {path.name for path in tmp_path.iterdir()} == set(files)
