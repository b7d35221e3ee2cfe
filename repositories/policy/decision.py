"""The policy: these rules, in this order. The first that objects gives the verdict (contract: allowed 4.3).

What tells a hidden project from a missing one is asked after visibility, other than in the contract's order (decisions 10a).
"""

from collections.abc import Callable

from repositories.policy import container, entrance, lfs, refs, transfer
from repositories.policy.request import Request
from repositories.policy.verdicts import Allowed, CreateProject, Denied, NeedsGit, Verdict

Rule = Callable[[Request], Denied | CreateProject | NeedsGit | None]

RULES: tuple[Rule, ...] = (
    entrance.a_read_only_instance_takes_no_pushes,
    entrance.a_second_factor_was_given,
    entrance.the_protocol_is_open,
    entrance.the_key_is_good,
    entrance.the_account_may_use_git,
    entrance.the_credential_covers_the_command,
    entrance.the_command_is_served,
    container.the_project_is_there,
    container.the_project_is_visible,
    container.the_address_is_allowed,
    container.the_access_rules_are_readable,
    container.designs_are_for_the_web,
    container.the_group_takes_the_protocol,
    container.the_namespace_admits_the_certificate,
    container.the_namespace_takes_the_project,
    container.the_repository_exists,
    transfer.the_actor_may_download,
    transfer.the_project_takes_pushes,
    transfer.the_actor_may_upload,
    transfer.there_is_room,
    transfer.the_actor_may_push,
    refs.the_changes_may_be_pushed,
    lfs.the_lfs_objects_are_uploaded,
)

_ALLOWED = Allowed()


def decide(request: Request) -> Verdict:
    """Whether the command may run; asks nobody, changes nothing."""
    for rule in RULES:
        verdict = rule(request)
        if verdict is not None:
            return verdict
    return _ALLOWED
