"""What each rule of the policy says of a request, and which rules say nothing because they are not about it or not reached."""

from collections.abc import Callable, Mapping
from enum import StrEnum

from repositories.policy import container, entrance, lfs, refs, transfer
from repositories.policy.decision import RULES, Rule
from repositories.policy.facts import RepositoryType
from repositories.policy.request import Request
from repositories.policy.verdicts import Allowed, Verdict


class Skipped(StrEnum):
    """Why a rule had no say."""

    DOES_NOT_APPLY = "does not apply"
    NOT_REACHED = "not reached"


def _always(_request: Request) -> bool:
    return True


def _is_push(request: Request) -> bool:
    return request.is_push and request.project is not None


def _has_project(request: Request) -> bool:
    return request.project is not None


APPLIES: Mapping[Rule, Callable[[Request], bool]] = {
    entrance.a_read_only_instance_takes_no_pushes: lambda request: request.is_push,
    entrance.a_second_factor_was_given: lambda request: (
        request.instance.require_two_factor_for_git and request.protocol == "ssh" and request.actor.account is not None
    ),
    entrance.the_protocol_is_open: lambda request: request.protocol != "web" and not request.is_lfs,
    entrance.the_key_is_good: lambda request: request.actor.key is not None,
    entrance.the_account_may_use_git: lambda request: request.actor.account is not None,
    entrance.the_credential_covers_the_command: lambda request: not (request.credential.pull and request.credential.push),
    entrance.the_command_is_served: _always,
    container.the_project_is_there: _always,
    container.the_project_is_visible: _has_project,
    container.the_address_is_allowed: lambda request: request.container is not None and bool(request.container.root_ip_allowlist),
    container.the_access_rules_are_readable: lambda request: request.container is not None,
    container.designs_are_for_the_web: lambda request: request.repository_type == RepositoryType.DESIGN,
    container.the_group_takes_the_protocol: lambda request: (
        request.container is not None
        and request.protocol != "web"
        and not request.is_lfs
        and not request.instance.enabled_git_access_protocol
    ),
    container.the_namespace_admits_the_certificate: lambda request: request.container is not None and request.changes is None,
    container.the_namespace_takes_the_project: lambda request: request.creates_in is not None,
    container.the_repository_exists: _has_project,
    transfer.the_actor_may_download: lambda request: request.project is not None and not request.is_push,
    transfer.the_project_takes_pushes: _is_push,
    transfer.the_actor_may_upload: lambda request: request.is_push,
    transfer.there_is_room: _is_push,
    transfer.the_actor_may_push: _is_push,
    refs.the_changes_may_be_pushed: lambda request: _is_push(request) and not request.is_wiki and bool(request.changes),
    lfs.the_lfs_objects_are_uploaded: lfs.checks_lfs_objects,
}
"""Which requests a rule is about; of any other it says nothing."""


def explain(request: Request) -> tuple[tuple[str, Verdict | Skipped], ...]:
    """The rules in order: allowed, the deciding one's verdict, does not apply, or not reached after the deciding one."""
    said: list[tuple[str, Verdict | Skipped]] = []
    decided = False
    for rule in RULES:
        verdict = None if decided else rule(request)
        if verdict is not None:
            said.append((rule.__name__, verdict))
            decided = True
        elif not APPLIES[rule](request):
            said.append((rule.__name__, Skipped.DOES_NOT_APPLY))
        else:
            said.append((rule.__name__, Skipped.NOT_REACHED if decided else Allowed()))
    return tuple(said)
