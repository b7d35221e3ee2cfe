"""POST agent_configuration and authorize_proxy_user, GET receptive_agents (contract: kubernetes-agent 2.3, 2.4, 2.7, 8.5, 8.7, 8.11)."""

import json
import logging
from datetime import date
from typing import Any

import pytest
from django.test import Client

from accounts.models import PersonalAccessToken, User
from accounts.services.personal_access_tokens import create_token
from internal_api.models import InstanceSettings
from kubernetes_agent.models import Agent, AgentAuthorization, ReceptiveConfiguration
from repositories.models import Namespace
from repositories.services.access import set_member, share_with
from tests.factories import AgentFactory, GroupFactory, ProjectFactory, UserFactory

CONFIGURATION = "/api/v4/internal/kubernetes/agent_configuration"
AUTHORIZE = "/api/v4/internal/kubernetes/authorize_proxy_user"
RECEPTIVE = "/api/v4/internal/kubernetes/receptive_agents"
NO_MEMBER = "You must be a member of `projects` or `groups` under the `user_access` keyword."


def post(client: Client, path: str, body: Any) -> Any:
    return client.post(path, body, content_type="application/json")


def configure(client: Client, agent: Agent, config: Any) -> None:
    """As kas posts: proto3 JSON, in which an int64 is a string."""
    response = post(client, CONFIGURATION, {"agent_id": str(agent.pk), "agent_config": config})
    assert (response.status_code, response.content) == (204, b"")
    assert "Content-Type" not in response.headers


def rows(kind: str) -> dict[str, Any]:
    found = AgentAuthorization.objects.filter(kind=kind).select_related("project__route", "group__route")
    return {(row.project or row.group).route.path: row.config for row in found}  # type: ignore[union-attr]  # one of them is there


def test_a_configuration_replaces_the_former_one(kas: Client, production: Agent, acme: Namespace) -> None:
    """kubernetes-agent 8.5 #88, #89, #98; paths in any letter case, the configuration is the entry without its id."""
    tools = GroupFactory.create(path="Tools", parent=acme)
    ProjectFactory.create(path="engines", namespace=tools)
    first = {
        "ci_access": {
            "projects": [{"id": "acme/rockets"}, {"id": "acme/tools/engines", "default_namespace": "x"}],
            "groups": [{"id": "acme"}],
        },
        "user_access": {"access_as": {"agent": {}}, "groups": [{"id": "acme/TOOLS"}]},
    }
    configure(kas, production, first)
    assert rows("ci_access") == {"acme/rockets": {}, "acme/Tools/engines": {"default_namespace": "x"}, "acme": {}}
    assert rows("user_access") == {"acme/Tools": {"access_as": {"agent": {}}}}
    kept = AgentAuthorization.objects.get(project__path="engines").pk
    second = {
        "ci_access": {"projects": [{"id": "ACME/tools/Engines", "protected_branches_only": True}]},
        "user_access": {"projects": [{"id": "acme/rockets"}]},
    }
    for config in (second, json.dumps(second)):
        configure(kas, production, config)
        assert rows("ci_access") == {"acme/Tools/engines": {"protected_branches_only": True}}
        assert rows("user_access") == {"acme/rockets": {}}
    assert AgentAuthorization.objects.get(kind="ci_access").pk == kept
    configure(kas, production, {})
    assert not AgentAuthorization.objects.exists()


def test_other_agents_keep_theirs(kas: Client, production: Agent) -> None:
    staging = AgentFactory.create(project=production.project, name="staging")
    for agent in (production, staging):
        configure(kas, agent, {"ci_access": {"groups": [{"id": "acme"}]}})
    configure(kas, production, {})
    assert AgentAuthorization.objects.get().agent == staging


def test_outside_the_hierarchy_nothing_is_opened(kas: Client, production: Agent) -> None:
    """kubernetes-agent 8.5 #91, #100; unknown paths are dropped; the answer says nothing of them."""
    ProjectFactory.create(path="p", namespace=GroupFactory.create(path="other"))
    places = {"projects": [{"id": "other/p"}, {"id": "no/where"}], "groups": [{"id": "other"}, {"id": "none"}]}
    configure(kas, production, {"ci_access": places, "user_access": places})
    assert not AgentAuthorization.objects.exists()


def test_the_log_names_the_paths_that_are_dropped(kas: Client, production: Agent, caplog: pytest.LogCaptureFixture) -> None:
    places = {"projects": [{"id": f"no/where{n:02}"} for n in range(12)] + [{"id": "acme/rockets"}]}
    with caplog.at_level(logging.WARNING, "kubernetes_agent"):
        configure(kas, production, {"ci_access": places})
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"Agent {production.pk} (production in acme/rockets): ci_access names")
    assert "no/where00, no/where01" in line
    assert line.endswith("no/where09 and 2 more")
    assert "acme/rockets," not in line


def test_a_configuration_that_is_of_use_leaves_no_warning(kas: Client, production: Agent, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "kubernetes_agent"):
        configure(kas, production, {"ci_access": {"groups": [{"id": "acme"}]}})
    assert not caplog.records


def test_an_agent_in_a_persons_namespace_is_open_to_their_projects(kas: Client, ann: User) -> None:
    """kubernetes-agent 8.5 #92."""
    notes = ProjectFactory.create(path="notes", namespace=ann.namespace)
    configure(kas, AgentFactory.create(project=notes), {"ci_access": {"projects": [{"id": "ann/notes"}], "groups": [{"id": "ann"}]}})
    assert rows("ci_access") == {"ann/notes": {}}


def test_five_hundred_entries_count_in_a_fixed_number_of_statements(
    kas: Client, production: Agent, acme: Namespace, django_assert_max_num_queries: Any
) -> None:
    """kubernetes-agent 8.5 #94; of two entries for one path the later wins."""
    entries = [{"id": f"no/where{number}"} for number in range(498)]
    doubled = [{"id": "acme/rockets", "x": 1}, {"id": "acme/rockets", "x": 2}, {"id": "acme/late"}]
    ProjectFactory.create(path="late", namespace=acme)
    with django_assert_max_num_queries(16):
        configure(kas, production, {"ci_access": {"projects": [*entries, *doubled]}})
    assert rows("ci_access") == {"acme/rockets": {"x": 2}}


@pytest.mark.parametrize(
    ("body", "status", "answer"),
    [
        pytest.param({}, 400, {"error": "agent_id is missing, agent_config is missing"}, id="#103"),
        pytest.param({"agent_id": "x", "agent_config": {}}, 400, {"error": "agent_id is invalid"}, id="no number"),
        pytest.param({"agent_id": True, "agent_config": 1}, 400, {"error": "agent_id is invalid, agent_config is invalid"}, id="two"),
        pytest.param({"agent_id": 1, "agent_config": [1]}, 400, {"error": "agent_config is invalid"}, id="a list"),
        pytest.param({"agent_id": 1, "agent_config": "{"}, 400, {"error": "agent_config is invalid"}, id="no JSON"),
        pytest.param({"agent_id": 1, "agent_config": None}, 400, {"error": "agent_config is invalid"}, id="null"),
        pytest.param({"agent_id": -1, "agent_config": {}}, 404, {"message": "404 Not found"}, id="#85"),
        pytest.param({"agent_id": "", "agent_config": {}}, 404, {"message": "404 Not found"}, id="blank"),
    ],
)
def test_what_is_no_configuration(kas: Client, db: None, body: Any, status: int, answer: Any) -> None:
    response = post(kas, CONFIGURATION, body)
    assert (response.status_code, response.json()) == (status, answer)


@pytest.mark.parametrize("section", [[], "x", {"projects": {}}, {"projects": ["x"]}, {"groups": [{}]}, {"groups": [{"id": 1}]}])
@pytest.mark.parametrize("kind", ["ci_access", "user_access"])
def test_a_malformed_section_changes_nothing(kas: Client, production: Agent, kind: str, section: Any) -> None:
    configure(kas, production, {"ci_access": {"groups": [{"id": "acme"}]}})
    response = post(kas, CONFIGURATION, {"agent_id": production.pk, "agent_config": {kind: section}})
    assert response.status_code == 400
    assert response.json()["message"].startswith("400 Bad request - agent_config")
    assert AgentAuthorization.objects.count() == 1


# --- authorize_proxy_user ---


@pytest.fixture
def token(ann: User) -> str:
    """Ann's token for clusters."""
    return create_token(user=ann, name="k8s", scopes=["k8s_proxy"], expires_at=None)[1]


@pytest.fixture
def open_agent(kas: Client, production: Agent) -> Agent:
    """The agent, open to people of rockets and of acme, who act as it."""
    places = {"projects": [{"id": "acme/rockets"}], "groups": [{"id": "acme"}]}
    configure(kas, production, {"user_access": {"access_as": {"agent": {}}, **places}})
    return production


def authorize(client: Client, agent: Agent | int, token: str, **values: Any) -> tuple[int, Any]:
    agent_id = agent if isinstance(agent, int) else agent.pk
    body = {"agent_id": str(agent_id), "access_type": "personal_access_token", "access_key": token, **values}
    response = post(client, AUTHORIZE, body)
    return response.status_code, response.json()


def test_a_member_acts_as_the_agent(kas: Client, open_agent: Agent, token: str, ann: User) -> None:
    """kubernetes-agent 8.7 #134."""
    expected = {
        "agent": {"id": open_agent.pk, "config_project": {"id": open_agent.project_id}},
        "user": {"id": ann.pk, "username": "ann"},
        "access_as": {"agent": {}},
    }
    assert authorize(kas, open_agent, token) == (201, expected)
    assert PersonalAccessToken.objects.get().last_used_at is not None


def test_a_member_acts_as_themselves_with_their_roles(kas: Client, production: Agent, token: str, ann: User, acme: Namespace) -> None:
    """kubernetes-agent 8.7 #137, #140, #142."""
    tools = GroupFactory.create(path="tools", parent=acme)
    engines = ProjectFactory.create(path="engines", namespace=tools)
    set_member(production.project, ann, 30)
    set_member(acme, ann, 30)
    set_member(tools, ann, 40)
    places = {"projects": [{"id": "acme/rockets"}, {"id": "acme/tools/engines"}], "groups": [{"id": "acme"}, {"id": "acme/tools"}]}
    configure(kas, production, {"user_access": {"access_as": {"user": {}}, **places}})
    developer = ["guest", "planner", "reporter", "security_manager", "developer"]
    maintainer = [*developer, "maintainer"]
    status, answer = authorize(kas, production, token)
    assert status == 201
    assert answer["access_as"] == {
        "user": {
            "projects": [{"id": production.project_id, "roles": developer}, {"id": engines.pk, "roles": maintainer}],
            "groups": [{"id": acme.pk, "roles": developer}, {"id": tools.pk, "roles": maintainer}],
        }
    }


@pytest.mark.parametrize("who", ["nobody", "guest", "reporter", "awaiting", "over", "blocked"])
def test_others_are_kept_out(kas: Client, open_agent: Agent, token: str, ann: User, acme: Namespace, who: str) -> None:
    """kubernetes-agent 8.7 #121, #139, #143."""
    open_agent.project.members.all().delete()
    match who:
        case "guest" | "reporter":
            set_member(open_agent.project, ann, 10 if who == "guest" else 20)
        case "awaiting":
            set_member(acme, ann, 50, state="awaiting")
        case "over":
            set_member(acme, ann, 50, expires_at=date(2020, 1, 1))
        case "blocked":
            set_member(acme, ann, 50)
            User.objects.filter(pk=ann.pk).update(state="banned")
        case _:
            pass
    assert authorize(kas, open_agent, token) == (403, {"message": NO_MEMBER})


def test_an_invited_groups_member_and_an_administrator(kas: Client, open_agent: Agent, acme: Namespace) -> None:
    bob, root = UserFactory.create(username="bob"), UserFactory.create(username="root", admin=True)
    guests = GroupFactory.create(path="guests")
    set_member(guests, bob, 50)
    share_with(open_agent.project, guests, 30)
    for user in (bob, root):
        assert authorize(kas, open_agent, create_token(user=user, name="x", scopes=["k8s_proxy"], expires_at=None)[1])[0] == 201


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param({}, "`user_access` keyword is not found in agent config file.", id="no rows"),
        pytest.param({"groups": [{"id": "acme"}]}, "`user_access` keyword is not found in agent config file.", id="#136"),
        pytest.param(
            {"access_as": {}, "groups": [{"id": "acme"}]}, "`access_as` is not found under the `user_access` keyword.", id="blank"
        ),
        pytest.param(
            {"access_as": {"robot": {}}, "groups": [{"id": "acme"}]},
            "`access_as` is not found under the `user_access` keyword.",
            id="unknown",
        ),
        pytest.param(
            {"access_as": {"agent": {}, "user": {}}, "groups": [{"id": "acme"}]},
            "`access_as` must exist only once under the `user_access` keyword.",
            id="two",
        ),
    ],
)
def test_a_configuration_that_opens_nothing(kas: Client, production: Agent, token: str, config: Any, message: str) -> None:
    configure(kas, production, {"user_access": config})
    assert authorize(kas, production, token) == (403, {"message": message})


def test_tokens_that_do_not_do(kas: Client, open_agent: Agent, ann: User) -> None:
    """kubernetes-agent 8.7 #122, 2.4: bad credentials win over a bad agent."""
    wrong = create_token(user=ann, name="api", scopes=["api", "read_api"], expires_at=None)[1]
    status, body = authorize(kas, 0, wrong)
    assert (status, body["error"], body["scope"]) == (403, "insufficient_scope", "k8s_proxy")
    assert body["error_description"] == "The request requires higher privileges than provided by the access token."
    expired = create_token(user=ann, name="old", scopes=["k8s_proxy"], expires_at=date(2020, 1, 1))[1]
    response = post(kas, AUTHORIZE, {"agent_id": open_agent.pk, "access_type": "personal_access_token", "access_key": expired})
    description = "Token is expired. You can either do re-authorization or token refresh."
    assert (response.status_code, response.json()) == (401, {"error": "invalid_token", "error_description": description})
    assert response["WWW-Authenticate"].startswith('Bearer realm="Protected by OAuth 2.0"')
    revoked = create_token(user=ann, name="gone", scopes=["k8s_proxy"], expires_at=None)
    PersonalAccessToken.objects.filter(pk=revoked[0].pk).update(revoked=True)
    assert authorize(kas, open_agent, revoked[1])[1]["error_description"] == "Token was revoked. You have to re-authorize from the user."
    for unknown in ("nonsense", "", " "):
        assert authorize(kas, open_agent, unknown) == (400, {"message": "400 Bad request - Unable to get user from request data"})


def test_an_unknown_agent(kas: Client, token: str) -> None:
    """kubernetes-agent 8.7 #124."""
    assert authorize(kas, 999999, token) == (404, {"message": "404 Not found"})


def test_a_cookie_is_no_session_here(kas: Client, open_agent: Agent) -> None:
    """Decisions 20."""
    answer = authorize(kas, open_agent, "123", access_type="session_cookie", csrf_token="x")
    assert answer == (401, {"message": "401 Unauthorized - Invalid session"})


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param(
            {}, "agent_id is missing, access_type is missing, access_type does not have a valid value, access_key is missing", id="#145"
        ),
        pytest.param({"agent_id": 1, "access_type": "x", "access_key": ""}, "access_type does not have a valid value", id="type"),
        pytest.param(
            {"agent_id": 1, "access_type": "session_cookie", "access_key": "x"}, "csrf_token is missing, csrf_token is empty", id="#146"
        ),
        pytest.param(
            {"agent_id": 1, "access_type": "session_cookie", "access_key": "x", "csrf_token": " "}, "csrf_token is empty", id="blank"
        ),
    ],
)
def test_what_is_asked_for(kas: Client, db: None, body: Any, error: str) -> None:
    response = post(kas, AUTHORIZE, body)
    assert (response.status_code, response.json()) == (400, {"error": error})


def test_feature_flags_go_along(kas: Client, open_agent: Agent, token: str) -> None:
    """kubernetes-agent 8.7 #133."""

    def header() -> str:
        body = {"agent_id": open_agent.pk, "access_type": "personal_access_token", "access_key": token}
        return str(post(kas, AUTHORIZE, body)["Gitlab-Feature-Flag"])

    assert header() == ""
    flags = {
        "kas_feature_flag_b": False,
        "kas_feature_flag_a": True,
        "gitaly_x": True,
        "kas_c": {"users": ["ann"]},
        "kas_d": {"groups": ["other"]},
    }
    InstanceSettings(feature_flags=flags).save()
    assert header() == "c=true, d=false, feature_flag_a=true, feature_flag_b=false"


# --- receptive agents ---


def test_agents_that_kas_calls(kas: Client, production: Agent) -> None:
    """kubernetes-agent 8.11 #200, #202."""
    assert kas.get(RECEPTIVE).json() == {"agents": []}
    row = ReceptiveConfiguration.objects.create(
        agent=production, url="grpcs://agent.example.com:443", private_key="a2V5", tls_host="any-host.example.com"
    )
    item = {"id": production.pk, "url": "grpcs://agent.example.com:443", "ca_cert": None, "tls_host": "any-host.example.com"}
    assert kas.get(RECEPTIVE).json() == {"agents": [{**item, "jwt": {"private_key": "a2V5"}, "mtls": None}]}
    ReceptiveConfiguration.objects.filter(pk=row.pk).update(private_key=None, client_cert="CERT", client_key=None)
    row.refresh_from_db()
    row.client_key, row.client_cert, row.ca_cert = "KEY", "CERT", "CA"
    row.save()
    mtls = {"client_key": "KEY", "client_cert": "CERT"}
    assert kas.get(RECEPTIVE).json() == {"agents": [{**item, "ca_cert": "CA", "jwt": None, "mtls": mtls}]}
    ReceptiveConfiguration.objects.update(active=False)
    assert kas.get(RECEPTIVE).json() == {"agents": []}


@pytest.mark.parametrize(("path", "method"), [(CONFIGURATION, "post"), (AUTHORIZE, "post"), (RECEPTIVE, "get")])
def test_a_stranger_gets_nothing(stranger: Client, shell: Client, db: None, path: str, method: str) -> None:
    """The shell's token opens nothing here."""
    for caller in (stranger, shell):
        response = getattr(caller, method)(path)
        assert (response.status_code, response.json()) == (401, {"message": "KAS JWT authentication invalid"})
