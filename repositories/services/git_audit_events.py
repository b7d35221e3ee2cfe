"""Audit events of Git commands (contract: shell-endpoints 13, decisions 13 and 14c)."""

from dataclasses import dataclass
from typing import Any

from accounts.selectors.actors import ActorReference
from internal_api.audit import record_event
from repositories.policy import Action
from repositories.selectors.facts import ContainerReference, Facts, gather

GIT_OPERATION = "repository_git_operation"


@dataclass(frozen=True, slots=True)
class GitOperation:
    """A command that has run; the numbers of bytes are None where the client did not count them."""

    action: str
    protocol: str
    wants: int = 0
    haves: int = 0
    written_bytes: int | None = None
    received_bytes: int | None = None
    check_ip: str = ""
    namespace_path: str = ""

    @property
    def verb(self) -> str:
        """What people call it; a client that asks for something and has nothing clones."""
        if self.action == Action.RECEIVE_PACK:
            return "push"
        return "clone" if self.wants > 0 and self.haves == 0 else "pull"


def record_git_operation(who: ActorReference, what: ContainerReference, operation: GitOperation) -> dict[str, Any] | None:
    """The event's message, or None when the instance keeps none, or actor or project are unknown."""
    facts = gather(who, what)
    if not facts.settings.log_git_audit_events or facts.actor.user is None or facts.project is None:
        return None
    message = _message(facts, operation)
    user, key = facts.actor.user, facts.actor.key
    is_deploy_key = key is not None and facts.actor.account is None
    record_event(
        GIT_OPERATION,
        author_id=key.id if key is not None and is_deploy_key else user.id,
        author_name=f"deploy key {key.id}" if key is not None and is_deploy_key else user.username,
        entity_type="Project",
        entity_id=facts.project.id,
        entity_path=facts.project.full_path,
        ip_address=operation.check_ip,
        details=message | ({"namespace_path": operation.namespace_path} if operation.namespace_path else {}),
    )
    return message


def _message(facts: Facts, operation: GitOperation) -> dict[str, Any]:
    key = facts.actor.key
    counted = {"written_bytes": operation.written_bytes, "received_bytes": operation.received_bytes}
    named = {"gl_key_type": key.kind, "gl_key_id": key.id} if key is not None else {}
    return {
        "protocol": operation.protocol,
        "action": operation.action,
        "verb": operation.verb,
        **{name: number for name, number in counted.items() if number is not None},
        **named,
    }
