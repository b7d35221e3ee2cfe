"""Agents and policies in seed files, and the commands that make and clean them up."""

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import User
from internal_api.digests import token_digest
from kubernetes_agent.models import Agent, AgentEvent, AgentToken, ReceptiveConfiguration, SecurityPolicy, UniqueUse
from kubernetes_agent.services.tokens import create_agent_token
from repositories.models import Project
from repositories.services.access import set_member
from tests.factories import AgentFactory

POLICY = {"name": "Nightly", "yaml": "actions: []\nrules: []"}
COMPANY: dict[str, Any] = {
    "users": [{"username": "ann"}],
    "groups": [{"path": "acme", "security_policies": [POLICY]}],
    "projects": [
        {
            "path": "acme/rockets",
            "security_policies": [{**POLICY, "enabled": False}],
            "agents": [
                {
                    "id": 5,
                    "name": "prod",
                    "created_by": "ann",
                    "tokens": [{"name": "t", "token": "glagent-x"}, {"name": "old", "token": "y", "status": "revoked"}],
                },
                {"name": "called", "receptive": {"url": "grpcs://agent.example.com", "private_key": "a2V5"}, "tokens": [{"name": "new"}]},
            ],
        }
    ],
}


def seed(tmp_path: Path, document: Any, *options: str) -> str:
    path = tmp_path / "seed.yaml"
    path.write_text(yaml.safe_dump(document))
    out = StringIO()
    call_command("seed", str(path), *options, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_what_the_file_says_becomes_so_and_twice_the_same(tmp_path: Path, db: None) -> None:
    shown = json.loads(seed(tmp_path, COMPANY, "--output", "json"))["secrets"]
    agent = Agent.objects.get(pk=5)
    assert (agent.name, agent.created_by.username if agent.created_by else None) == ("prod", "ann")
    assert dict(agent.tokens.values_list("token_digest", "status")) == {token_digest("glagent-x"): "active", token_digest("y"): "revoked"}
    assert [(secret["kind"], secret["name"]) for secret in shown] == [("agent_token", "called/new")]
    assert AgentToken.objects.get(name="new").token_digest == token_digest(shown[0]["token"])
    receptive = ReceptiveConfiguration.objects.get()
    assert (receptive.agent.name, receptive.url, receptive.private_key) == ("called", "grpcs://agent.example.com", "a2V5")
    assert set(SecurityPolicy.objects.values_list("group__path", "project__path", "enabled")) == {
        ("acme", None, True),
        (None, "rockets", False),
    }
    assert seed(tmp_path, COMPANY).startswith("Nothing to change")


def test_later_files_change_it(tmp_path: Path, db: None) -> None:
    seed(tmp_path, COMPANY)
    agents = [
        {"name": "prod", "created_by": None, "tokens": [{"name": "t", "status": "revoked"}, {"name": "old", "absent": True}]},
        {"name": "called", "receptive": None},
    ]
    policies = [{"name": "Nightly", "absent": True}]
    document = {"projects": [{"path": "acme/rockets", "agents": agents, "security_policies": policies}]}
    seed(tmp_path, document)
    assert Agent.objects.get(pk=5).created_by is None
    assert list(AgentToken.objects.filter(agent=5).values_list("name", "status")) == [("t", "revoked")]
    assert (ReceptiveConfiguration.objects.count(), SecurityPolicy.objects.count()) == (0, 1)
    assert seed(tmp_path, document).startswith("Nothing to change")
    seed(tmp_path, {"projects": [{"path": "acme/rockets", "agents": [{"name": "prod", "absent": True}]}]})
    assert Agent.objects.get().name == "called"


@pytest.mark.parametrize(
    ("agent", "error"),
    [
        ({"name": "Prod"}, "agents[0]: Agent 'Prod' is not accepted"),
        ({"name": "prod", "id": 9}, "agents[0].id: the agent has the id 5 already"),
        ({"name": "x", "created_by": "nobody"}, "agents[0]: There is no user 'nobody'."),
        ({"name": "x", "tokens": [{"token": "glagent-x"}]}, "tokens[0]: The token, or its id, is in use already."),
        (
            {"name": "x", "tokens": [{"name": "a"}, {"name": "b"}, {"name": "c"}]},
            "tokens[2]: An agent can have only two active tokens at a time",
        ),
        ({"name": "x", "receptive": {"url": "https://x"}}, "receptive.url: is not a grpc:// or grpcs:// address"),
        ({"name": "x", "receptive": {"url": "grpc://x"}}, "receptive.private_key: or client_cert and client_key are needed"),
        ({"name": "x", "receptive": {"url": "grpc://x", "client_cert": "x"}}, "receptive.client_cert: and client_key go together"),
        ({"name": "x", "receptive": {"url": "grpc://x", "private_key": "!"}}, "receptive.private_key: is not base64"),
    ],
)
def test_a_mistake_is_told_by_its_place(tmp_path: Path, db: None, agent: Any, error: str) -> None:
    seed(tmp_path, COMPANY)
    with pytest.raises(CommandError) as caught:
        seed(tmp_path, {"projects": [{"path": "acme/rockets", "agents": [agent]}]})
    assert error in str(caught.value)


def test_a_policy_is_yaml(tmp_path: Path, db: None) -> None:
    with pytest.raises(CommandError, match=r"security_policies\[0\]\.yaml: is not a mapping in YAML"):
        seed(tmp_path, {"groups": [{"path": "acme", "security_policies": [{"name": "x", "yaml": "- a"}]}]})


def run(*arguments: str) -> Any:
    out = StringIO()
    call_command(*arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_an_agent_and_its_token_by_command(rockets: Project, ann: Any) -> None:
    made = run("create_agent", "acme/rockets", "prod", "--created-by", "ann")
    assert made == {"id": Agent.objects.get().pk, "name": "prod", "project": "acme/rockets"}
    token = run("create_agent_token", "Acme/Rockets", "prod", "first")
    assert AgentToken.objects.get().token_digest == token_digest(token["token"])
    assert run("create_agent_token", "acme/rockets", "prod", "first", "--revoke") == {"agent": "prod", "name": "first", "revoked": 1}
    assert AgentToken.objects.get().status == "revoked"
    for arguments, line in (
        (["create_agent", "no/where", "x"], "There is no project 'no/where'."),
        (["create_agent", "acme/rockets", "prod"], "the project has one of that name"),
        (["create_agent_token", "acme/rockets", "none", "x"], "There is no agent 'none' in 'acme/rockets'."),
        (["create_agent_token", "acme/rockets", "prod", "first", "--revoke"], "The agent has no active token 'first'."),
    ):
        with pytest.raises(CommandError, match=line):
            run(*arguments)


def test_old_events_and_weeks_go(rockets: Project) -> None:
    """kubernetes-agent 7, 8.2 #59: the newest 200 events of each agent are kept."""
    for name, number in (("a", 203), ("b", 2)):
        agent = Agent.objects.create(project=rockets, name=name)
        AgentEvent.objects.bulk_create(AgentEvent(agent=agent, kind="agent_connected") for _ in range(number))
    newest = set(AgentEvent.objects.filter(agent__name="a").order_by("-pk").values_list("pk", flat=True)[:200])
    for weeks in (1, 60):
        UniqueUse.objects.create(name="x", week=timezone.now().date() - timedelta(weeks=weeks), entity_id=1)
    removed = run("clean_up")
    assert (removed["agent events"], removed["unique uses"]) == (3, 1)
    assert set(AgentEvent.objects.filter(agent__name="a").values_list("pk", flat=True)) == newest
    assert AgentEvent.objects.filter(agent__name="b").count() == 2


def test_agents_are_listed_with_whether_they_are_connected(rockets: Project, ann: User) -> None:
    """An agent is seen by any of its tokens, and connected by an active one within the hour (contract: kubernetes-agent 1.2, 8.2 #55)."""
    now = timezone.now().replace(microsecond=0)
    uses = {"here": (now, "active"), "gone": (now - timedelta(hours=2), "active"), "revoked": (now, "revoked"), "never": (None, "active")}
    for name, (used, status) in uses.items():
        agent = AgentFactory.create(project=rockets, name=name, created_by=ann, agent_version="18.9.0")
        create_agent_token(agent=agent, name="t", status=status, last_used_at=used)
        create_agent_token(agent=agent, name="unused")
    told = {row["name"]: row for row in run("list_agents", "Acme/Rockets")}
    assert {name: row["connected"] for name, row in told.items()} == {"here": True, "gone": False, "revoked": False, "never": False}
    assert {name: row["last_seen_at"] for name, row in told.items()} == {
        name: used.isoformat() if used else None for name, (used, _) in uses.items()
    }
    assert {(row["project"], row["agent_version"], row["created_by"]) for row in told.values()} == {("acme/rockets", "18.9.0", "ann")}


def test_the_list_of_agents_is_a_table_for_people(rockets: Project) -> None:
    AgentFactory.create(project=rockets, name="prod")
    out = StringIO()
    call_command("list_agents", stdout=out)
    heading, line = out.getvalue().splitlines()
    assert heading.split() == ["id", "project", "name", "connected", "last_seen_at", "agent_version", "kubernetes_version", "created_by"]
    assert line.split()[1:] == ["acme/rockets", "prod", "no", "-", "-", "-", "-"]
    with pytest.raises(CommandError, match="There is no project 'acme/missing'"):
        call_command("list_agents", "acme/missing")


def test_an_agent_whose_reports_would_be_refused_is_made_with_a_warning(rockets: Project, ann: User) -> None:
    """Its creator must be a maintainer (contract: decisions 20)."""

    def warned(*arguments: str) -> str:
        err = StringIO()
        call_command("create_agent", "acme/rockets", *arguments, stdout=StringIO(), stderr=err)
        return err.getvalue()

    set_member(rockets, ann, 30)
    assert "Warning: No --created-by was given, so reports of vulnerabilities of this agent are refused" in warned("one")
    assert "Warning: ann is no maintainer of acme/rockets" in warned("two", "--created-by", "ann")
    set_member(rockets, ann, 40)
    assert warned("three", "--created-by", "ann") == ""
    assert Agent.objects.count() == 3
