"""What each rule of the policy says of a request, and which rules say nothing because they are not about it or not reached."""

from collections.abc import Callable, Mapping
from enum import StrEnum

from repositories.policy import fetch_and_push, lfs, preconditions, project_access, ref_updates
from repositories.policy.decision import RULES, Rule
from repositories.policy.facts import RepositoryType
from repositories.policy.request import AccessRequest
from repositories.policy.verdicts import Allowed, Verdict


class Skipped(StrEnum):
    """Why a rule had no say."""

    DOES_NOT_APPLY = "does not apply"
    NOT_REACHED = "not reached"


def _always(_request: AccessRequest) -> bool:
    return True


def _is_push(request: AccessRequest) -> bool:
    return request.is_push and request.project is not None


def _has_project(request: AccessRequest) -> bool:
    return request.project is not None


APPLIES: Mapping[Rule, Callable[[AccessRequest], bool]] = {
    preconditions.instance_accepts_pushes: lambda request: request.is_push,
    preconditions.second_factor_is_satisfied: lambda request: (
        request.instance.require_two_factor_for_git and request.protocol == "ssh" and request.actor.account is not None
    ),
    preconditions.protocol_is_enabled: lambda request: request.protocol != "web" and not request.is_lfs,
    preconditions.ssh_key_is_acceptable: lambda request: request.actor.key is not None,
    preconditions.account_is_active: lambda request: request.actor.account is not None,
    preconditions.credential_scope_allows_command: lambda request: not (request.credential.pull and request.credential.push),
    preconditions.command_is_supported: _always,
    project_access.project_exists: _always,
    project_access.project_is_visible: _has_project,
    project_access.ip_address_is_allowed: lambda request: request.container is not None and bool(request.container.root_ip_allowlist),
    project_access.access_rules_are_readable: lambda request: request.container is not None,
    project_access.repository_is_not_a_design: lambda request: request.repository_type == RepositoryType.DESIGN,
    project_access.group_allows_protocol: lambda request: (
        request.container is not None
        and request.protocol != "web"
        and not request.is_lfs
        and not request.instance.enabled_git_access_protocol
    ),
    project_access.ssh_certificate_matches_namespace: lambda request: request.container is not None and request.changes is None,
    project_access.namespace_accepts_new_project: lambda request: request.creates_in is not None,
    project_access.repository_exists: _has_project,
    fetch_and_push.actor_may_download: lambda request: request.project is not None and not request.is_push,
    fetch_and_push.project_accepts_pushes: _is_push,
    fetch_and_push.actor_may_upload: lambda request: request.is_push,
    fetch_and_push.storage_limit_allows_push: _is_push,
    fetch_and_push.actor_may_push: _is_push,
    ref_updates.ref_updates_are_allowed: lambda request: _is_push(request) and not request.is_wiki and bool(request.changes),
    lfs.lfs_objects_are_uploaded: lfs.checks_lfs_objects,
}
"""Which requests a rule is about; of any other it says nothing."""


def explain(request: AccessRequest) -> tuple[tuple[str, Verdict | Skipped], ...]:
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
