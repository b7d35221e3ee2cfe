"""Tell what each rule of the policy says of a Git command."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.selectors.actors import NOBODY, ActorKind, ActorReference
from internal_api.management.operator import OperatorCommand
from repositories import policy
from repositories.policy.protection import NO_PROTECTION
from repositories.selectors.facts import container_reference, gather, with_otp_session
from repositories.selectors.protection import find_protection


def _actor(options: dict[str, Any]) -> ActorReference:
    if options["key_id"] is not None:
        return ActorReference(ActorKind.KEY, options["key_id"])
    if options["user"] is not None:
        return ActorReference(ActorKind.USERNAME, options["user"].lower())
    return NOBODY


class Command(OperatorCommand):
    """`explain_access --user ann --project gnuwget/wget2 --action git-receive-pack`."""

    help = "Decide as /allowed would, without recording anything, and print each rule's answer."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", help="a username")
        parser.add_argument("--key-id", type=int)
        parser.add_argument("--project", required=True, help="a path, or an id such as project-7")
        parser.add_argument("--action", choices=[action.value for action in policy.Action], default=policy.Action.UPLOAD_PACK.value)
        parser.add_argument("--protocol", default="ssh")
        parser.add_argument("--check-ip")
        parser.add_argument("--namespace-path")
        parser.add_argument("--changes", help="lines of `oldrev newrev ref`, or - for standard input; without them: _any")

    def act(self, **options: Any) -> dict[str, Any]:
        project = options["project"]
        is_id = project.startswith(("project-", "wiki-", "design-")) and "/" not in project
        facts = with_otp_session(gather(_actor(options), container_reference(project if is_id else None, None if is_id else project)))
        changes = _changes(options["changes"])
        question = policy.Request(
            action=options["action"],
            protocol=options["protocol"],
            actor=facts.actor,
            instance=facts.instance,
            project=facts.project,
            repository_type=facts.repository_type,
            changes=changes,
            check_ip=options["check_ip"],
            namespace_path=options["namespace_path"],
            has_namespace=facts.has_namespace,
            protection=find_protection(facts.actor, facts.project, changes) if changes and facts.project else NO_PROTECTION,
        )
        rules = {name: _told(verdict) for name, verdict in policy.explain(question)}
        user = facts.actor.user
        return {
            "actor": user.username if user else "nobody",
            "role": policy.Role(user.role).name.lower() if user else "none",
            "project": facts.project.full_path if facts.project else "not found",
            **({"rules": rules} if options["json"] else rules),
            "verdict": _told(policy.decide(question)),
        }


def _changes(text: str | None) -> tuple[policy.Change, ...] | None:
    if text is None:
        return None
    try:
        return policy.parse_changes(sys.stdin.read() if text == "-" else text)
    except policy.MalformedChangesError as error:
        raise CommandError(str(error)) from error


def _told(verdict: policy.Verdict) -> str:
    match verdict:
        case policy.Denied():
            return f"denied ({verdict.reason}): {verdict.message}"
        case policy.NeedsGit():
            return f"only Git knows: {', '.join(map(str, verdict.questions))}"
        case policy.CreateProject():
            return "the project would be created"
        case policy.Allowed():
            return "allowed"
