"""Whatever is thrown at an endpoint: a documented 4xx with a string, or an answer; never a fault, never HTML, nothing written."""

import json
import os
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import SSHKey, User
from repositories.models import Namespace, Project
from tests.insider import insider_client, refusal
from tests.test_every_route import MAPPED, OPEN_TO_ANYONE, WORKHORSE

EXAMPLES = int(os.environ.get("EXAMPLES", "7"))
"""For each route; EXAMPLES=1000 for a long run."""
TYPES = ["application/json", "application/x-www-form-urlencoded", "text/html", ""]
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(
        ["_any", "git-upload-pack", "git-receive-pack", "ssh", "acme/rockets", "\x00", "\ud800", "9" * 40, "-1", "project-1"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    ["action", "changes", "check_ip", "env", "gitaly_client_context_bin", "gl_repository", "identifier", "key", "key_id", "krb5principal",
     "namespace_path", "operation", "project", "protocol", "push_options", "relative_path", "user_id", "username", "otp_attempt", "name",
     "scopes", "expires_at", "token", "project_id", "public_key", "packfile_stats", "written_bytes", "user_identifier", "agent_id",
     "agent_config", "access_type", "access_key", "counters", "unique_counters", "events", "uuids", "vulnerability", "scanner", "id",
     "externalId", "userName", "emails", "displayName", "active", "Operations", "schemas", "members", "filter", "startIndex", "count"]
)  # fmt: skip
QUESTIONS = st.dictionaries(NAMES, ANYTHING, max_size=8)


def check(response: Any) -> None:
    """An answer that GitLab Shell can read."""
    assert response.status_code in {200, 201, 204, 400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 501}, response.content
    if response.status_code == 204:
        assert response.content == b""
        return
    assert response["Content-Type"] in {"application/json", "application/scim+json"}
    body = response.json()
    if response.status_code >= 400:
        sentence = next(body[name] for name in ("message", "error", "detail") if name in body)  # each dialect has its own
        assert isinstance(sentence, str)
        assert sentence


def counts() -> list[int]:
    return [model._default_manager.count() for model in (User, SSHKey, Namespace, Project)]  # noqa: SLF001  the default manager


@pytest.mark.parametrize(("address", "method"), MAPPED)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(question=QUESTIONS, form=st.booleans())
def test_any_parameters(db: None, address: str, method: str, question: dict[str, Any], form: bool) -> None:
    insider = insider_client()
    before = counts()
    if method == "get":
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in question.items()}
        check(insider.get(address, {name: text.encode(errors="replace").decode() for name, text in texts.items()}))
    elif form:
        body = "&".join(f"{name}={json.dumps(value)}" for name, value in question.items())
        check(insider.generic(method.upper(), address, body, "application/x-www-form-urlencoded"))
    else:
        check(insider.generic(method.upper(), address, json.dumps(question), "application/json"))
    assert counts() == before


@pytest.mark.parametrize(("address", "method"), MAPPED)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(body=st.binary(max_size=200), content_type=st.sampled_from(TYPES))
def test_any_bytes(db: None, address: str, method: str, body: bytes, content_type: str) -> None:
    insider = insider_client()
    check(insider.generic(method.upper(), address, body, content_type))


@pytest.mark.parametrize("address", sorted({address for address, _ in MAPPED} - OPEN_TO_ANYONE))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(token=st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=300))
def test_any_token_is_refused(db: None, address: str, token: str) -> None:
    headers = (
        {"private-token": token}
        | {f"gitlab-{service}-api-request": token for service in ("shell", "kas", "agent", "workhorse")}
        | {"authorization": f"Bearer {token}"}
    )
    response = Client(headers=headers).get(address)
    assert (response.status_code, response.json()) == (403 if address in WORKHORSE else 401, refusal(address))
