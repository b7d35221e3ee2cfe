"""What GitLab Workhorse is told of a Git command that may run (contract: git-http 2.7)."""

from typing import NotRequired, TypedDict

from repositories.access_check import NO_QUARANTINE
from repositories.access_granted import GitalyRepository, gitaly_repository
from repositories.feature_flags import gitaly_features
from repositories.policy import RepositoryType
from repositories.selectors.facts import Facts

_MIB = 1024 * 1024


class GitalyServer(TypedDict):
    """Which Gitaly to talk to; every value of `call_metadata` is a string, or Workhorse answers 500."""

    address: str
    token: str
    call_metadata: dict[str, str]


class GitAccess(TypedDict):
    """The answer, in Workhorse's names."""

    GL_ID: str
    GL_USERNAME: str | None
    GL_REPOSITORY: str
    ShowAllRefs: bool
    NeedAudit: bool
    Repository: GitalyRepository
    GitConfigOptions: list[str]
    GitalyServer: GitalyServer
    ProjectID: NotRequired[int]
    RootNamespaceID: NotRequired[int]


def git_access(facts: Facts, *, address: str) -> GitAccess:
    """Return the answer for a decision's facts; `address` is the client's, which Gitaly names in its own calls."""
    project, storage, user = facts.project, facts.storage, facts.actor.user
    if project is None or storage is None:
        raise LookupError("Only what exists is allowed.")
    repository = gitaly_repository(facts, NO_QUARANTINE)
    size = facts.settings.receive_max_input_size
    answer: GitAccess = {
        "GL_ID": f"user-{user.id}" if user else "",
        "GL_USERNAME": user.username if user else None,
        "GL_REPOSITORY": repository["gl_repository"],
        "ShowAllRefs": False,
        "NeedAudit": facts.settings.log_git_audit_events and user is not None,
        "Repository": repository,
        "GitConfigOptions": [f"receive.maxInputSize={size * _MIB}"] if size else [],
        "GitalyServer": {
            "address": storage.address,
            "token": storage.token or "",
            "call_metadata": _call_metadata(facts, address),
        },
    }
    if facts.repository_type == RepositoryType.PROJECT:
        answer["ProjectID"] = project.id
        answer["RootNamespaceID"] = project.root_id
    return answer


def _call_metadata(facts: Facts, address: str) -> dict[str, str]:
    user, project = facts.actor.user, facts.project
    features = gitaly_features(
        facts.settings.feature_flags,
        project_path=project.full_path if project else "",
        username=user.username if user else None,
    )
    known = {
        "user_id": f"user-{user.id}" if user else "",
        "username": user.username if user else "",
        "remote_ip": address,
    }
    return {**features, **{name: value for name, value in known.items() if value}}
