"""The access policy: may this actor run this Git command on this repository, with these changes?

Pure: facts in, verdict out. `facts` is what a decision is made from, `verdicts` what it can be, `reasons` why
it is refused. The rules stand in the order in which they are asked in `decision.RULES`: `preconditions` (instance, protocol, key,
account, command), `project_access` (project there, visible, its certificates and addresses), `fetch_and_push`,
`ref_updates` (what exactly is pushed, under the `protection` of branches and tags), `lfs` (whether its LFS objects were uploaded).
`abilities` says what a role lets one do, `repository_path` what a path or an id names, `changes` reads a push's changes.
"""

from repositories.policy.abilities import actor_can_read
from repositories.policy.changes import ANY, Change, MalformedChangesError, parse_changes
from repositories.policy.decision import decide
from repositories.policy.explanation import Skipped, explain
from repositories.policy.facts import Action, Actor, Destination, Instance, Key, KeyKind, Project, RepositoryType, Role, User
from repositories.policy.protection import BranchRule, Grants, Protection, TagRule
from repositories.policy.reasons import Reason
from repositories.policy.request import EVERYTHING, AccessRequest, Credential
from repositories.policy.verdicts import (
    Allowed,
    CreateProject,
    Denied,
    GitQuery,
    HasNewCommits,
    IsForced,
    LacksLFSObjects,
    NeedsGit,
    Verdict,
)

__all__ = [
    "ANY",
    "EVERYTHING",
    "AccessRequest",
    "Action",
    "Actor",
    "Allowed",
    "BranchRule",
    "Change",
    "CreateProject",
    "Credential",
    "Denied",
    "Destination",
    "GitQuery",
    "Grants",
    "HasNewCommits",
    "Instance",
    "IsForced",
    "Key",
    "KeyKind",
    "LacksLFSObjects",
    "MalformedChangesError",
    "NeedsGit",
    "Project",
    "Protection",
    "Reason",
    "RepositoryType",
    "Role",
    "Skipped",
    "TagRule",
    "User",
    "Verdict",
    "actor_can_read",
    "decide",
    "explain",
    "parse_changes",
]
