"""POST /error_tracking/allowed (contract: shell-endpoints 12, 16.10; decisions 12)."""

import hashlib
from typing import Any

import pytest
from django.test import Client

from internal_api.models import InstanceSettings
from repositories.models import ErrorTrackingKey, Project
from tests.factories import ProjectFactory

PATH = "/api/v4/internal/error_tracking/allowed"
TOKEN = "the error tracking token"
KEY = "glet_0123456789abcdef0123456789abcdef"
DIGEST = hashlib.sha256(TOKEN.encode()).hexdigest()


@pytest.fixture
def project(rockets: Project) -> Project:
    """rockets, with one active key; the instance has a token."""
    InstanceSettings(error_tracking_access_token_digest=DIGEST).save()
    ErrorTrackingKey.objects.create(project=rockets, public_key=KEY)
    return rockets


@pytest.fixture
def backend() -> Client:
    """The error tracking backend."""
    return Client(headers={"gitlab-error-tracking-token": TOKEN})


@pytest.mark.parametrize("content_type", ["application/json", None])
def test_an_active_key(backend: Client, shell: Client, project: Project, content_type: str | None) -> None:
    for caller in (backend, shell):
        body: Any = {"project_id": project.pk, "public_key": KEY}
        response = caller.post(PATH, body, content_type=content_type) if content_type else caller.post(PATH, body)
        assert (response.status_code, response.json()) == (200, {"enabled": True})


def test_the_header_is_judged_first_and_the_body_only_without_one(stranger: Client, project: Project) -> None:
    """Decisions 8a, over shell-endpoints e45; one line break at the end is ignored."""
    body = {"project_id": project.pk, "public_key": KEY}
    assert stranger.post(PATH, {**body, "error_tracking_token": f"{TOKEN}\n"}).json() == {"enabled": True}
    wrong = {**body, "error_tracking_token": "another"}
    assert stranger.post(PATH, wrong).status_code == 401
    assert stranger.post(PATH, wrong, headers={"gitlab-error-tracking-token": f"{TOKEN}\n"}).json() == {"enabled": True}
    right = {**body, "error_tracking_token": TOKEN}
    for name in ("gitlab-error-tracking-token", "gitlab-shell-api-request"):
        assert stranger.post(PATH, right, headers={name: "another"}).status_code == 401, name


@pytest.mark.parametrize("token", ["", " ", "another", TOKEN + "\n\n", TOKEN.upper(), "é"])
def test_strangers_are_refused_before_anything_is_looked_at(stranger: Client, project: Project, token: str) -> None:
    """shell-endpoints 16.10 #148, e46."""
    for body in ("", "{", '{"project_id": 1}'):
        response = stranger.post(PATH, body, content_type="application/json", headers={"gitlab-error-tracking-token": token})
        assert (response.status_code, response.json()) == (401, {"message": "401 Unauthorized"})


def test_without_a_token_of_the_instance_nothing_matches(stranger: Client, backend: Client, rockets: Project) -> None:
    for caller in (stranger, backend):
        assert caller.post(PATH, {"project_id": rockets.pk, "public_key": KEY, "error_tracking_token": ""}).status_code == 401


@pytest.mark.parametrize(
    "body", [{}, {"project_id": "1"}, {"public_key": KEY}, {"project_id": "", "public_key": KEY}, {"project_id": "1", "public_key": " "}]
)
def test_both_are_needed(backend: Client, project: Project, body: dict[str, str]) -> None:
    """shell-endpoints 16.10 #149."""
    response = backend.post(PATH, body)
    assert (response.status_code, response.json()) == (422, {"message": "422 Unprocessable Entity"})


@pytest.mark.parametrize("project_id", ["0", "999999", "acme/rockets", "9" * 30])
def test_an_unknown_project(backend: Client, project: Project, project_id: str) -> None:
    """shell-endpoints 16.10 #151; a path is no id."""
    response = backend.post(PATH, {"project_id": project_id, "public_key": KEY})
    assert (response.status_code, response.json()) == (404, {"message": "404 Not found"})


def test_keys_that_do_not_count(backend: Client, project: Project) -> None:
    """shell-endpoints 16.10 #152: unknown, another project's, another letter case, inactive."""
    other = ProjectFactory.create(path="engines", namespace=project.namespace)
    for project_id, key in ((project.pk, "glet_1"), (other.pk, KEY), (project.pk, KEY.upper())):
        assert backend.post(PATH, {"project_id": project_id, "public_key": key}).json() == {"enabled": False}
    ErrorTrackingKey.objects.update(active=False)
    assert backend.post(PATH, {"project_id": project.pk, "public_key": KEY}).json() == {"enabled": False}


@pytest.mark.parametrize(
    ("switches", "enabled"),
    [
        ({"error_tracking_enabled": False}, False),
        ({"feature_flags": {"gitlab_error_tracking": False}}, False),
        ({"feature_flags": {"gitlab_error_tracking": {"projects": ["acme/engines"]}}}, False),
        ({"feature_flags": {"gitlab_error_tracking": {"groups": ["Acme"]}}}, True),
        ({"feature_flags": {"gitlab_error_tracking": True}}, True),
    ],
)
def test_the_instance_switches_it(backend: Client, project: Project, switches: dict[str, Any], enabled: bool) -> None:
    """shell-endpoints 16.10 #154."""
    InstanceSettings(error_tracking_access_token_digest=DIGEST, **switches).save()
    assert backend.post(PATH, {"project_id": project.pk, "public_key": KEY}).json() == {"enabled": enabled}
