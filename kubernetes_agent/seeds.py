"""`agents` of projects and `security_policies` of projects and groups in a seed file."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from accounts.models import User
from accounts.selectors.users import get_user, users_by_name
from internal_api.digests import token_digest
from internal_api.seeding import Entry, Report, register_key
from internal_api.seeding.entries import any_text, boolean, children, choice, integer, located, optional, text
from internal_api.seeding.registry import TogetherError
from internal_api.seeding.rows import checked, distinct, new_id, update
from internal_api.seeding.together import Changes, Child, load_children, values_of
from internal_api.stored_values import create_row
from internal_api.text import ascii_lower
from kubernetes_agent.models import Agent, AgentToken, ReceptiveConfiguration, SecurityPolicy, TokenStatus
from kubernetes_agent.services.tokens import create_agent, create_agent_token, create_agent_tokens, create_agents, new_agent_token
from repositories.models import Namespace, Project

_AGENT = {"id", "name", "created_by", "receptive", "tokens"}
_TOKEN = {"id", "name", "token", "status"}
_POLICY = {"name", "description", "enabled", "yaml"}
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
        for child in _tokens(entry):
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


def load_agents_of_many(report: Report, waiting: Sequence[tuple[Project, Entry]], key: str) -> None:
    """The same for some projects: agents and tokens are read together, and new ones are made together."""
    found = [(project, child) for project, entry in waiting for child in children(entry.values[key], entry.at(key), _AGENT)]
    names = distinct((project.pk, child.read("name", text)) for project, child in found)
    rows = Agent.objects.filter(project__in=[project for project, _ in waiting]).select_related(*Agent.audit_related)
    present = {(row.project_id, row.name): row for row in rows}
    creators = users_by_name(name for _, child in found if (name := child.get("created_by", optional(text))))
    changes, new, agents = Changes(report, "agents"), [], []
    for (project, child), name in zip(found, names, strict=True):
        row, values = present.get(name), _creator(child, creators)
        if child.is_absent or (row is not None and child.get("id", integer, row.pk) != row.pk):
            raise TogetherError
        if row is None:
            row = Agent(project=project, name=name[1], **values, **new_id(child))
            new.append(row)
        else:
            changes.add(row, values)
        agents.append((row, child))
    create_agents(new)
    report.count("agents", "created", len(new))
    changes.write()
    _load_tokens_of_many(report, agents, {row.pk for row in present.values()})
    for row, child in agents:
        if "receptive" in child:
            load_receptive(report, row, child)


def _creator(entry: Entry, creators: Mapping[str, User]) -> dict[str, Any]:
    if "created_by" not in entry:
        return {}
    username = entry.read("created_by", optional(text))
    if username and ascii_lower(username) not in creators:
        raise TogetherError
    return {"created_by": creators[ascii_lower(username)] if username else None}


def _load_tokens_of_many(report: Report, agents: Sequence[tuple[Agent, Entry]], known: set[int]) -> None:
    """Make and change the tokens of some agents, of which those with `known` ids were there before."""
    by_digest: dict[tuple[int, str], AgentToken] = {}
    by_name: dict[tuple[int, str], AgentToken] = {}
    for token in AgentToken.objects.filter(agent__in=known).select_related(*AgentToken.audit_related).order_by("pk") if known else ():
        by_name.setdefault((token.agent_id, token.name), token)
        by_digest[token.agent_id, token.token_digest] = token
    changes, changed, new, names = Changes(report, "agent_tokens"), set(), [], set()
    entries = ((agent, below) for agent, entry in agents if "tokens" in entry for below in _tokens(entry))
    for agent, child in entries:
        clear, name = child.get("token", optional(text)), child.get("name", text, "token")
        row = by_digest.get((agent.pk, token_digest(clear))) if clear else by_name.get((agent.pk, name))
        if child.is_absent or (row is None and (agent.pk, name) in names):
            raise TogetherError
        status = child.get("status", choice(TokenStatus.values), TokenStatus.ACTIVE)
        if row is not None:
            if changes.add(row, {"status": status} if "status" in child else {}):
                changed.add(agent.pk)
            continue
        names.add((agent.pk, name))
        made, secret = new_agent_token(agent=agent, name=name, token=clear, status=status, **new_id(child))
        new.append(made)
        if not clear:
            report.secret("agent_token", f"{agent.name}/{name}", secret)
    if changed & {row.agent_id for row in new}:
        raise TogetherError  # of how many tokens may be active, the order decides
    changes.write()
    create_agent_tokens(new)
    report.count("agent_tokens", "created", len(new))


def _tokens(entry: Entry) -> Iterator[Entry]:
    return children(entry.values["tokens"], entry.at("tokens"), _TOKEN)


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
    for child in children(entry.values[key], entry.at(key), _POLICY):
        name = child.read("name", text)
        row = SecurityPolicy.objects.filter(name=name, **where).first()
        if child.is_absent:
            if row is not None:
                row.delete()
            report.count("security_policies", "unchanged" if row is None else "removed")
            continue
        values = _policy_values(child)
        if row is None:
            create_row(SecurityPolicy, name=name, **where, **{"yaml": child.read("yaml", text), **values})
            report.count("security_policies", "created")
        else:
            report.changed("security_policies", update(row, values))


def _policy_values(entry: Entry) -> dict[str, Any]:
    return entry.fields({"description": any_text, "enabled": boolean, "yaml": checked(SecurityPolicy, "yaml", text)})


def load_policies_of_many(report: Report, waiting: Sequence[tuple[Project | Namespace, Entry]], key: str) -> None:
    """The same for some projects, or some groups."""
    column = "project" if isinstance(waiting[0][0], Project) else "group"
    rows = SecurityPolicy.objects.filter(**{f"{column}__in": [place for place, _ in waiting]})
    present = {(getattr(row, f"{column}_id"), row.name): row for row in rows}
    found = [(place, child) for place, entry in waiting for child in children(entry.values[key], entry.at(key), _POLICY)]
    names = distinct((place.pk, child.read("name", text)) for place, child in found)
    policies = []
    for (place, child), name in zip(found, names, strict=True):
        row, values = present.get(name), values_of(child, partial(_policy_values, child))
        if row is None and not child.is_absent:
            child.read("yaml", text)
        policies.append(Child(child, row, values, partial(SecurityPolicy, name=name[1], **{column: place}, **values)))
    load_children(report, "security_policies", policies)


def register() -> None:
    """Make the keys known."""
    register_key("projects", "agents", 200, load_agents, model=Agent, load_many=load_agents_of_many)
    for section in ("projects", "groups"):
        register_key(section, "security_policies", 210, load_policies, load_many=load_policies_of_many)
