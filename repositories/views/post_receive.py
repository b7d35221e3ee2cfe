"""POST /post_receive."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError
from django.utils import timezone
from rest_framework.request import Request

from accounts.selectors.actors import NOBODY, ActorReference, actor_reference
from internal_api.database_retry import retry_while_away
from internal_api.errors import BadRequestError
from internal_api.http.requests import MIB
from internal_api.last_calls import last_calls
from internal_api.logs import note
from internal_api.models.last_call import CallKind
from internal_api.parameters import Parameters
from internal_api.responses import JSONResponse
from internal_api.views.base import ShellViewSet
from repositories import push_messages
from repositories.access_parameters import gitaly_client_context
from repositories.policy import Change, MalformedChangesError, RepositoryType, parse_changes
from repositories.push_messages import Message, alert, basic
from repositories.push_options import merge_request_warning, parse_push_options
from repositories.selectors.facts import Facts, container_reference, gather
from repositories.services.one_shot_messages import take_messages
from repositories.services.pushes import Push, record
from repositories.services.reference_counters import decrease_counter
from repositories.signals import storage_alert

NO_MERGE_REQUESTS = "Merge requests are not available on this server"
NOT_A_PROJECT = "Push options are only supported for projects"


class PostReceiveViewSet(ShellViewSet):
    """POST /api/v4/internal/post_receive: a push has happened; it is never refused (contract: allowed 7.3, decisions 16a)."""

    body_limit = 64 * MIB

    def create(self, request: Request) -> JSONResponse:
        """Read the report, and record it as soon as the database is there: Gitaly does not repeat it (contract: gitaly 1.5)."""
        report = _report(self.parameters(), request.META.get("HTTP_X_REQUEST_ID") or None)
        last_calls.note(CallKind.POST_RECEIVE)
        ended = False

        def respond(push: Push) -> dict[str, Any]:
            nonlocal ended
            if report.gl_repository and not ended:
                ended = decrease_counter(report.gl_repository)
            return messages_of(push, report.raw_options, timezone.now())

        def attempt() -> dict[str, Any]:
            facts = gather(report.who, container_reference(report.gl_repository, None))
            note(request, project=facts.project.full_path if facts.project else None, refs=len(report.changes))
            push = report.push(facts)
            kept = respond(push) if facts.project is None else record(push, lambda: respond(push))
            return {"messages": _with_links(kept, push), "reference_counter_decreased": True}

        def answer() -> dict[str, Any]:
            try:
                return attempt()
            except IntegrityError:  # the project or the user was deleted meanwhile, and is unknown the next time
                return attempt()

        return JSONResponse(retry_while_away(answer))


@dataclass(frozen=True, slots=True)
class _Report:
    """What a call says; what cannot be read is left out. `call_id` is one of ours."""

    who: ActorReference
    gl_repository: str
    identifier: str
    changes: list[Change]
    raw_options: list[str]
    push_options: dict[str, Any]
    gitaly_context: dict[str, Any]
    request_id: str | None
    call_id: str

    def push(self, facts: Facts) -> Push:
        return Push(
            facts=facts,
            identifier=self.identifier,
            changes=self.changes,
            push_options=self.push_options,
            gitaly_context=self.gitaly_context,
            request_id=self.request_id,
            call_id=self.call_id,
        )


def _report(parameters: Parameters, request_id: str | None) -> _Report:
    """Read a call. Raises BadRequestError for a context that is malformed, and for nothing else."""
    context = gitaly_client_context(parameters)
    raw_options = _texts(parameters, "push_options")
    options = parse_push_options(raw_options)
    if context.get("skip-ci"):
        options.setdefault("ci", {})["skip"] = True
    return _Report(
        who=_who(parameters),
        gl_repository=_text(parameters, "gl_repository") or "",
        identifier=_text(parameters, "identifier") or "",
        changes=_changes(parameters),
        raw_options=raw_options,
        push_options=options,
        gitaly_context=context,
        request_id=request_id,
        call_id=uuid.uuid4().hex,
    )


def messages_of(push: Push, raw_options: list[str], now: datetime) -> dict[str, Any]:
    """Return what the pusher reads but for the links, which can be made again: `before` and `after` them, and whether there are any.

    Empty when there is nothing to read, so that nothing is kept of most pushes.
    """
    facts, user = push.facts, push.facts.actor.user
    if facts.project is None:
        return {}
    banner = push_messages.broadcast(facts.settings.broadcasts, path=facts.project.full_path, role=user.role if user else 0, now=now)
    before: list[Message] = _storage_alerts(facts)
    before += [alert(banner)] if banner else []
    is_project = facts.repository_type == RepositoryType.PROJECT
    warning = merge_request_warning(raw_options, NO_MERGE_REQUESTS if is_project else NOT_A_PROJECT)
    before += [alert(warning)] if warning else []
    after = [basic(text) for text in take_messages(user.id, push.repository)] if user is not None else []
    kept = {"before": before, "links": _has_links(facts), "after": after}
    return kept if any(kept.values()) else {}


def _with_links(kept: dict[str, Any], push: Push) -> list[Message]:
    """Return the messages in the contract's order; those of an earlier version's event are there as they were."""
    if "messages" in kept:
        earlier: list[Message] = kept["messages"]
        return earlier
    links = [basic(text) for text in _links(push.facts, push.changes)] if kept.get("links") else []
    return [*kept.get("before", []), *links, *kept.get("after", [])]


def _storage_alerts(facts: Facts) -> list[Message]:
    """How much of its storage limit the namespace uses, where it has one and comes near it (contract: allowed case 333)."""
    project = facts.project
    if project is None or not project.storage_limit:
        return []
    return [alert(text) for _, text in storage_alert.send(sender=None, root_id=project.root_id) if text]


def _has_links(facts: Facts) -> bool:
    """Whether links to the pages of new merge requests are printed: where a web interface has such pages (contract: decisions 19)."""
    project = facts.project
    if not facts.settings.web_url or project is None or facts.repository_type != RepositoryType.PROJECT:
        return False
    return not project.empty and project.shows_merge_request_links


def _links(facts: Facts, changes: Iterable[Change]) -> list[str]:
    project = facts.project
    if project is None:
        return []
    url = f"{facts.settings.web_url}/{project.full_path}"
    return push_messages.merge_request_links(changes, project_url=url, default_branch=project.default_branch)


def _who(parameters: Parameters) -> ActorReference:
    try:
        return actor_reference(parameters)
    except BadRequestError:
        return NOBODY


def _text(parameters: Parameters, name: str) -> str | None:
    """A text; anything else counts as absent, since a push that has happened cannot be refused."""
    try:
        return parameters.text(name)
    except BadRequestError:
        return None


def _texts(parameters: Parameters, name: str) -> list[str]:
    try:
        return parameters.texts(name)
    except BadRequestError:
        return []


def _changes(parameters: Parameters) -> list[Change]:
    """The lines that can be read; the document's own example separates them with a backslash and an n."""
    value = parameters.values.get("changes")
    lines = value.replace("\\n", "\n").split("\n") if isinstance(value, str) else _texts(parameters, "changes")
    found: list[Change] = []
    for line in lines:
        try:
            found += parse_changes(line)
        except MalformedChangesError:
            continue
    return found
