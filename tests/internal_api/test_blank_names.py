"""Names of tokens and agents are not blank: told by validators and services, kept by the database, for every kind of white space."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Model

from accounts.errors import InvalidTokenRequestError
from accounts.models import PersonalAccessToken, User
from accounts.services.personal_access_tokens import create_token
from internal_api.blank_names import WHITE_SPACE
from kubernetes_agent.errors import InvalidAgentError
from kubernetes_agent.models import Agent, AgentToken
from kubernetes_agent.services.tokens import create_agent, create_agent_token
from repositories.models import Project
from tests.factories import AgentFactory

BLANK = ["", *WHITE_SPACE, WHITE_SPACE, " \u3000 "]
MODELS = [PersonalAccessToken, Agent, AgentToken]


@pytest.fixture
def rows(rockets: Project, ann: User) -> dict[type[Model], Any]:
    """One of each, with a good name; white space around it is none of our business."""
    agent = AgentFactory.create(project=rockets, created_by=ann)
    return {
        PersonalAccessToken: create_token(user=ann, name=" ci\u3000", scopes=["api"], expires_at=None)[0],
        Agent: agent,
        AgentToken: create_agent_token(agent=agent, name="\u00a0first")[0],
    }


def test_white_space_is_pythons() -> None:
    assert set(WHITE_SPACE) == {chr(number) for number in range(0x110000) if chr(number).isspace()}


@pytest.mark.parametrize("model", MODELS)
def test_the_database_refuses_a_blank_name(rows: dict[type[Model], Any], model: Any) -> None:
    for name in BLANK:
        with pytest.raises(IntegrityError, match="not_blank"), transaction.atomic():
            model.objects.update(name=name)


@pytest.mark.parametrize("model", MODELS)
def test_a_form_refuses_a_blank_name(rows: dict[type[Model], Any], model: Any) -> None:
    rows[model].full_clean(exclude={"token_digest"})
    for name in BLANK:
        rows[model].name = name
        with pytest.raises(ValidationError, match="name"):
            rows[model].full_clean(exclude={"token_digest"})


@pytest.mark.parametrize("name", BLANK)
def test_services_refuse_a_blank_name(rows: dict[type[Model], Any], ann: User, rockets: Project, name: str) -> None:
    agent = rows[Agent]
    makers: list[tuple[Callable[[], object], type[Exception]]] = [
        (lambda: create_token(user=ann, name=name, scopes=["api"], expires_at=None), InvalidTokenRequestError),
        (lambda: create_agent_token(agent=agent, name=name), InvalidAgentError),
        (lambda: create_agent(project=rockets, name=name), InvalidAgentError),
    ]
    for make, error in makers:
        with pytest.raises(error, match="name: "):
            make()
    assert (PersonalAccessToken.objects.count(), Agent.objects.count(), AgentToken.objects.count()) == (1, 1, 1)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["create_personal_access_token", "ann", "\u2003", "--scope", "api"], "name: This field cannot be blank."),
        (["create_agent_token", "acme/rockets", "production", "\u2003"], "name: This field cannot be blank."),
        (["create_agent", "acme/rockets", "\u2003"], "name: An agent's name has small letters"),
        (["create_personal_access_token", "ann", "x" * 256, "--scope", "api"], "name: Ensure this value has at most 255 characters"),
    ],
)
def test_commands_refuse_a_blank_name(rows: dict[type[Model], Any], command: list[str], line: str) -> None:
    with pytest.raises(CommandError, match=line):
        call_command(*command, stdout=StringIO())


@pytest.mark.django_db(transaction=True)
def test_blank_names_from_before_get_another() -> None:
    before = [("accounts", "0003_who_blocked_an_account"), ("kubernetes_agent", "0001_initial")]
    executor = MigrationExecutor(connection)
    latest = executor.loader.graph.leaf_nodes()
    executor.migrate(before)
    try:
        apps = executor.loader.project_state(before).apps
        user = apps.get_model("accounts", "User").objects.create(username="ann", email="ann@example.com")
        tokens = apps.get_model("accounts", "PersonalAccessToken").objects
        blank = tokens.create(user=user, name="\u3000", token_digest="1")
        tokens.create(user=user, name="ci", token_digest="2")
    finally:
        MigrationExecutor(connection).migrate(latest)
    assert list(PersonalAccessToken.objects.order_by("pk").values_list("name", flat=True)) == [f"token-{blank.pk}", "ci"]
