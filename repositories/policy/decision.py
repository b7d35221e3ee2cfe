"""The policy: these rules, in this order. The first that objects gives the verdict (contract: allowed 4.3).

What tells a hidden project from a missing one is asked after visibility, other than in the contract's order (decisions 10a).
"""

from collections.abc import Callable

from repositories.policy import fetch_and_push, lfs, preconditions, project_access, ref_updates
from repositories.policy.request import AccessRequest
from repositories.policy.verdicts import Allowed, CreateProject, Denied, NeedsGit, Verdict

Rule = Callable[[AccessRequest], Denied | CreateProject | NeedsGit | None]

RULES: tuple[Rule, ...] = (
    preconditions.instance_accepts_pushes,
    preconditions.second_factor_is_satisfied,
    preconditions.protocol_is_enabled,
    preconditions.ssh_key_is_acceptable,
    preconditions.account_is_active,
    preconditions.credential_scope_allows_command,
    preconditions.command_is_supported,
    project_access.project_exists,
    project_access.project_is_visible,
    project_access.ip_address_is_allowed,
    project_access.access_rules_are_readable,
    project_access.repository_is_not_a_design,
    project_access.group_allows_protocol,
    project_access.ssh_certificate_matches_namespace,
    project_access.namespace_accepts_new_project,
    project_access.repository_exists,
    fetch_and_push.actor_may_download,
    fetch_and_push.project_accepts_pushes,
    fetch_and_push.actor_may_upload,
    fetch_and_push.storage_limit_allows_push,
    fetch_and_push.actor_may_push,
    ref_updates.ref_updates_are_allowed,
    lfs.lfs_objects_are_uploaded,
)

_ALLOWED = Allowed()


def decide(request: AccessRequest) -> Verdict:
    """Whether the command may run; asks nobody, changes nothing."""
    for rule in RULES:
        verdict = rule(request)
        if verdict is not None:
            return verdict
    return _ALLOWED
