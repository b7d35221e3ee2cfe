"""Tell what each rule of the policy says of a Git command."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.selectors.actors import NOBODY, ActorKind, ActorReference
from internal_api.management.operator import OperatorCommand
from repositories import policy
from repositories.access_check import AccessCheck
from repositories.services.explanations import PROTOCOLS, UnexplainableError, explain, named_repository

DENIED, UNKNOWN, ONLY_GIT_KNOWS = 1, 2, 3


def _actor(options: dict[str, Any]) -> ActorReference:
    if options["key_id"] is not None:
        return ActorReference(ActorKind.KEY, options["key_id"])
    if options["user"] is not None:
        return ActorReference(ActorKind.USERNAME, options["user"].lower())
    return NOBODY


class Command(OperatorCommand):
    """`explain_access --user ann --project gnuwget/wget2 --action git-receive-pack`."""

    help = (
        "Tell what /allowed would do, without recording or creating anything, and what each rule says. "
        "Exit code: 0 allowed, 1 denied, 2 something does not exist, 3 only Git knows."
    )
    code = 0

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", help="a username")
        parser.add_argument("--key-id", type=int)
        parser.add_argument("--project", required=True, help="a path, or an id such as project-7")
        parser.add_argument("--action", choices=[action.value for action in policy.Action], default=policy.Action.UPLOAD_PACK.value)
        parser.add_argument("--protocol", default="ssh", help=", ".join(PROTOCOLS))
        parser.add_argument("--check-ip")
        parser.add_argument("--namespace-path")
        parser.add_argument("--changes", help="lines of `oldrev newrev ref`, or - for standard input; without them: _any")

    def act(self, **options: Any) -> dict[str, Any]:
        check = AccessCheck(
            who=_actor(options),
            what=named_repository(options["project"]),
            action=options["action"],
            protocol=options["protocol"],
            changes=_changes(options["changes"]),
            check_ip=options["check_ip"],
            namespace_path=options["namespace_path"],
        )
        try:
            found = explain(check)
        except UnexplainableError as error:
            raise CommandError(error.message, returncode=UNKNOWN) from error
        self.code = {True: 0, False: DENIED, None: ONLY_GIT_KNOWS}[found.is_allowed]
        rules = dict(found.rules)
        return {
            "actor": found.actor,
            "role": found.role,
            "project": found.project,
            **({"rules": rules} if options["json"] else rules),
            "decided_by": found.decided_by or "no rule objects",
            "verdict": found.verdict,
        }

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the explanation, and end with the verdict's exit code."""
        super().handle(*args, **options)
        if self.code:
            raise SystemExit(self.code)


def _changes(text: str | None) -> tuple[policy.Change, ...] | None:
    if text is None:
        return None
    try:
        return policy.parse_changes(sys.stdin.read() if text == "-" else text)
    except policy.MalformedChangesError as error:
        raise CommandError(str(error), returncode=UNKNOWN) from error
