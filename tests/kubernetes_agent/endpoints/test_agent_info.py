"""GET agent_info, project_info and verify_project_access, and agents' tokens (contract: kubernetes-agent 1, 2.1, 2.2, 8.1, 8.2, 8.6)."""

import hashlib
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import User
from kubernetes_agent.errors import InvalidAgentError
from kubernetes_agent.models import Agent, AgentEvent, AgentToken
from kubernetes_agent.services.tokens import create_agent, create_agent_token, revoke_agent_token, rotate_agent_token
from repositories.models import Namespace, Project
from repositories.services.projects import add_redirect
from tests.factories import AgentFactory, ProjectFactory, UserFactory
from tests.kubernetes_agent.conftest import TOKEN

OLD, NEW = "/api/v4/internal/kubernetes/agent_info", "/api/v4/internal/agents/agentk/agent_info"
PROJECT = "/api/v4/internal/kubernetes/project_info"
VERIFY = "/api/v4/internal/kubernetes/verify_project_access"
ROUTES = [OLD, NEW, PROJECT, VERIFY]


def answer(project: Project) -> dict[str, Any]:
    digest = hashlib.sha256(str(project.pk).encode()).hexdigest()
    return {
        "project_id": project.pk,
        "gitaly_info": {"address": "unix:/run/gitaly/gitaly.socket", "token": None},
        "gitaly_repository": {
            "storage_name": "default",
            "relative_path": f"@hashed/{digest[:2]}/{digest[2:4]}/{digest}.git",
            "git_object_directory": "",
            "git_alternate_object_directories": [],
            "gl_repository": f"project-{project.pk}",
            "gl_project_path": project.route.path,
        },
        "default_branch": "main",
    }


@pytest.mark.parametrize("path", [OLD, NEW, OLD + "/"])
def test_an_agent_is_told_who_it_is(agent_caller: Client, production: Agent, rockets: Project, path: str) -> None:
    """kubernetes-agent 8.6 #106; whatever the project's state."""
    Project.objects.update(archived=True)
    response = agent_caller.get(path)
    assert (response.status_code, response.json()) == (200, {"agent_id": production.pk, "agent_name": "production", **answer(rockets)})
    assert response["Content-Type"] == "application/json"


@pytest.mark.parametrize("header", ["gitlab-agent-api-request", "gitlab-agentk-api-request", "authorization"])
def test_three_headers_carry_the_token(kas: Client, production: Agent, header: str) -> None:
    """kubernetes-agent 0.1, decisions 20."""
    shown = f"Bearer {TOKEN}" if header == "authorization" else TOKEN
    assert kas.get(NEW, headers={header: shown}).status_code == 200


def test_the_newest_header_decides_alone(kas: Client, production: Agent) -> None:
    headers = {"gitlab-agent-api-request": "", "gitlab-agentk-api-request": TOKEN, "authorization": f"Bearer {TOKEN}"}
    assert kas.get(NEW, headers=headers).status_code == 401


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "shown", [{}, {"gitlab-agent-api-request": ""}, {"gitlab-agent-api-request": "NONEXISTENT"}, {"authorization": TOKEN}]
)
def test_without_a_good_token_there_is_no_answer(kas: Client, production: Agent, path: str, shown: dict[str, str]) -> None:
    """kubernetes-agent 8.2 #28 to #40."""
    response = kas.get(path, headers=shown)
    assert (response.status_code, response.json()) == (401, {"message": "401 Unauthorized"})


@pytest.mark.parametrize("path", ROUTES)
def test_without_the_jwt_of_kas_the_token_is_not_looked_at(stranger: Client, production: Agent, path: str) -> None:
    """kubernetes-agent 8.1 #16 to #26."""
    for headers in ({}, {"gitlab-kas-api-request": ""}, {"gitlab-kas-api-request": "garbage"}):
        response = stranger.get(path, headers={"gitlab-agent-api-request": TOKEN, **headers})
        assert (response.status_code, response.json()) == (401, {"message": "KAS JWT authentication invalid"})
    assert AgentToken.objects.get().last_used_at is None


def test_a_token_dies_at_once(agent_caller: Client, production: Agent, ann: User) -> None:
    """kubernetes-agent 8.2 #43; with its agent and its project too."""
    token = AgentToken.objects.get()
    assert revoke_agent_token(token, user=ann)
    assert not revoke_agent_token(token)
    assert agent_caller.get(NEW).status_code == 401
    assert list(AgentEvent.objects.values_list("kind", flat=True)) == ["token_created", "token_revoked"]
    production.project.delete()
    assert not AgentToken.objects.exists()


def test_a_rotated_token_is_shown_once(kas: Client, production: Agent, ann: User) -> None:
    row, clear = rotate_agent_token(AgentToken.objects.get(), user=ann)
    assert clear.startswith("glagent-")
    assert len(clear) >= 50
    assert clear not in str(AgentToken.objects.values())
    assert kas.get(NEW, headers={"gitlab-agent-api-request": clear}).status_code == 200
    assert kas.get(NEW, headers={"gitlab-agent-api-request": TOKEN}).status_code == 401
    assert row.name == "first"


def test_an_agent_has_two_active_tokens_at_most(production: Agent) -> None:
    """kubernetes-agent 8.2 #56, #58."""
    second, _ = create_agent_token(agent=production, name="second")
    with pytest.raises(InvalidAgentError, match=r"^An agent can have only two active tokens at a time$"):
        create_agent_token(agent=production, name="third")
    revoke_agent_token(second)
    create_agent_token(agent=production, name="third")
    with pytest.raises(InvalidAgentError):
        create_agent_token(agent=production, name="")
    with pytest.raises(InvalidAgentError, match="in use already"):
        create_agent_token(agent=AgentFactory.create(project=production.project, name="other"), name="x", token=TOKEN)


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("agent", True),
        ("agent123", True),
        ("agent-123", True),
        ("Agent", False),
        ("-a", False),
        ("a-", False),
        ("", False),
        ("a" * 64, False),
        ("a\n", False),
    ],
)
def test_how_an_agent_may_be_called(rockets: Project, name: str, good: bool) -> None:
    """kubernetes-agent 8.2 #61."""
    if good:
        create_agent(project=rockets, name=name)
    else:
        with pytest.raises(InvalidAgentError):
            create_agent(project=rockets, name=name)


def test_the_use_of_a_token_is_written_now_and_then(agent_caller: Client, production: Agent) -> None:
    """kubernetes-agent 8.2 #46 to #53: an agent that was away is connected again."""
    agent_caller.get(NEW)
    token = AgentToken.objects.get()
    assert token.last_used_at is not None
    connected = AgentEvent.objects.filter(kind="agent_connected")
    assert [(event.token_id, event.recorded_at, event.level) for event in connected] == [(token.pk, token.last_used_at, "info")]
    for minutes, written, events in ((10, False, 1), (39, False, 1), (56, True, 1), (61, True, 2)):
        moment = timezone.now() - timedelta(minutes=minutes)
        AgentToken.objects.update(last_used_at=moment)
        agent_caller.get(VERIFY)  # a 404, which counts as a use
        assert (AgentToken.objects.get().last_used_at != moment) is written
        assert connected.all().count() == events


def test_two_statements_when_it_is_written_and_one_otherwise(
    agent_caller: Client, production: Agent, django_assert_num_queries: Any
) -> None:
    agent_caller.get(NEW)
    with django_assert_num_queries(1):
        assert agent_caller.get(NEW).status_code == 200


@pytest.mark.parametrize("path", [PROJECT, VERIFY])
@pytest.mark.parametrize(
    ("visibility", "level", "own", "allowed"),
    [
        ("public", "enabled", False, True),
        ("public", "private", False, False),
        ("public", "disabled", False, False),
        ("internal", "enabled", False, False),
        ("private", "enabled", False, False),
        ("private", "enabled", True, True),
        ("internal", "disabled", True, True),
    ],
)
def test_which_projects_an_agent_reads(
    agent_caller: Client, production: Agent, acme: Namespace, path: str, visibility: str, level: str, own: bool, allowed: bool
) -> None:
    """kubernetes-agent 4, 8.6 #107 to #118."""
    project = production.project if own else ProjectFactory.create(path="engines", namespace=acme)
    Project.objects.filter(pk=project.pk).update(visibility=visibility, repository_access_level=level)
    for identifier in (str(project.pk), project.route.path, project.route.path.upper()):
        response = agent_caller.get(path, {"id": identifier})
        if not allowed:
            assert (response.status_code, response.json()) == (404, {"message": "404 Not Found"})
        elif path == PROJECT:
            assert (response.status_code, response.json()) == (200, answer(project))
        else:
            assert (response.status_code, response.content, response.headers.get("Content-Type")) == (204, b"", None)


def test_a_former_path_leads_there(agent_caller: Client, production: Agent, rockets: Project) -> None:
    add_redirect(rockets, "old/path")
    assert agent_caller.get(PROJECT, {"id": "old/path"}).json()["gitaly_repository"]["gl_project_path"] == "acme/rockets"


@pytest.mark.parametrize("identifier", [None, "", "0", "-1", "999999", "9" * 40, "rockets", "no/where", "1abc", "acme/rockets.wiki"])
@pytest.mark.parametrize("path", [PROJECT, VERIFY])
def test_what_names_no_project(agent_caller: Client, production: Agent, path: str, identifier: str | None) -> None:
    """kubernetes-agent 8.6 #112, #119."""
    response = agent_caller.get(path, {} if identifier is None else {"id": identifier})
    assert (response.status_code, response.json()) == (404, {"message": "404 Not Found"})


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_of_eight_threads_two_make_a_token() -> None:
    agent = AgentFactory.create(created_by=UserFactory.create(username="ann"))
    made = []

    def attempt(number: int) -> None:
        try:
            made.append(create_agent_token(agent=agent, name=f"token{number}"))
        except InvalidAgentError:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == AgentToken.objects.filter(status="active").count() == 2
