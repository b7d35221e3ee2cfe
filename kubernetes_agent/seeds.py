"""`agents` of projects and `security_policies` of projects and groups in a seed file."""

from typing import Any

from accounts.selectors.users import get_user
from internal_api.digests import token_digest
from internal_api.seeding import Entry, Report, register_key
from internal_api.seeding.entries import any_text, boolean, children, choice, integer, located, optional, text
from internal_api.seeding.rows import checked, new_id, update
from internal_api.stored_values import create_row
from kubernetes_agent.models import Agent, AgentToken, ReceptiveConfiguration, SecurityPolicy, TokenStatus
from kubernetes_agent.services.tokens import create_agent, create_agent_token
from repositories.models import Namespace, Project

_AGENT = {"id", "name", "created_by", "receptive", "tokens"}
_TOKEN = {"id", "name", "token", "status"}
_RECEPTIVE = {
    "url": checked(ReceptiveConfiguration, "url", text),
    "tls_host": optional(text),
    "ca_cert": optional(text),
    "private_key": optional(checked(ReceptiveConfiguration, "private_key", text)),
    "client_cert": optional(text),
    "client_key": optional(text),
}


def load_agents(report: Report, project: Project, entry: Entry, key: str) -> None:
    """Make or change the project's agents."""
    for child in children(entry.values[key], entry.at(key), _AGENT):
        with located(child.path):
            load_agent(report, project, child)


def load_agent(report: Report, project: Project, entry: Entry) -> None:
    """Make or change one agent, its tokens and how kas reaches it."""
    name = entry.read("name", text)
    row = Agent.objects.filter(project=project, name=name).first()
    if entry.is_absent:
        if row is not None:
            row.delete()
        report.count("agents", "unchanged" if row is None else "removed")
        return
    agent = _agent(report, project, entry, row)
    if "tokens" in entry:
        for child in children(entry.values["tokens"], entry.at("tokens"), _TOKEN):
            with located(child.path):
                load_token(report, agent, child)
    if "receptive" in entry:
        load_receptive(report, agent, entry)


def _agent(report: Report, project: Project, entry: Entry, row: Agent | None) -> Agent:
    values: dict[str, Any] = {}
    if "created_by" in entry:
        username = entry.read("created_by", optional(text))
        values["created_by"] = get_user(username) if username else None
    if row is None:
        report.count("agents", "created")
        return create_agent(project=project, name=entry.read("name", text), **values, **new_id(entry))
    if entry.get("id", integer, row.pk) != row.pk:
        raise entry.problem("id", f"the agent has the id {row.pk} already")
    report.changed("agents", update(row, values))
    return row


def load_token(report: Report, agent: Agent, entry: Entry) -> None:
    """Make or change one token; one without a `token` matches by name, and gets a generated one when it is new."""
    clear = entry.get("token", optional(text))
    name = entry.get("name", text, "token")
    rows = AgentToken.objects.filter(agent=agent)
    row = rows.filter(token_digest=token_digest(clear)).first() if clear else rows.filter(name=name).first()
    if entry.is_absent:
        if row is not None:
            row.delete()
        report.count("agent_tokens", "unchanged" if row is None else "removed")
        return
    status = entry.get("status", choice(TokenStatus.values), TokenStatus.ACTIVE)
    if row is not None:
        report.changed("agent_tokens", update(row, {"status": status} if "status" in entry else {}))
        return
    row, secret = create_agent_token(agent=agent, name=name, token=clear, status=status, **new_id(entry))
    report.count("agent_tokens", "created")
    if not clear:
        report.secret("agent_token", f"{agent.name}/{name}", secret)


def load_receptive(report: Report, agent: Agent, entry: Entry) -> None:
    """Make or change how kas reaches the agent; null for an agent that comes by itself."""
    row = ReceptiveConfiguration.objects.filter(agent=agent).first()
    if entry.values["receptive"] is None:
        if row is not None:
            row.delete()
        report.count("receptive_agents", "unchanged" if row is None else "removed")
        return
    inner = Entry(entry.values["receptive"], entry.at("receptive"), _RECEPTIVE)
    values = inner.fields(_RECEPTIVE)
    inner.read("url", text)
    with located(inner.path):
        if row is None:
            create_row(ReceptiveConfiguration, agent=agent, **values)
            report.count("receptive_agents", "created")
        else:
            report.changed("receptive_agents", update(row, values))


def load_policies(report: Report, place: Project | Namespace, entry: Entry, key: str) -> None:
    """Make or change the security policies of a project or a group."""
    where = {"project": place} if isinstance(place, Project) else {"group": place}
    for child in children(entry.values[key], entry.at(key), {"name", "description", "enabled", "yaml"}):
        name = child.read("name", text)
        row = SecurityPolicy.objects.filter(name=name, **where).first()
        if child.is_absent:
            if row is not None:
                row.delete()
            report.count("security_policies", "unchanged" if row is None else "removed")
            continue
        values = child.fields({"description": any_text, "enabled": boolean, "yaml": checked(SecurityPolicy, "yaml", text)})
        if row is None:
            create_row(SecurityPolicy, name=name, **where, **{"yaml": child.read("yaml", text), **values})
            report.count("security_policies", "created")
        else:
            report.changed("security_policies", update(row, values))


def register() -> None:
    """Make the keys known."""
    register_key("projects", "agents", 200, load_agents, model=Agent)
    register_key("projects", "security_policies", 210, load_policies)
    register_key("groups", "security_policies", 210, load_policies)
