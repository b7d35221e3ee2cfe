"""The answer of POST /allowed to a command that may run (contract: allowed 6)."""

from typing import NotRequired, TypedDict

from repositories.access_check import Quarantine
from repositories.feature_flags import gitaly_features
from repositories.policy.messages import KEY_EXPIRES_SOON
from repositories.policy.repository_path import container_path, gl_repository, relative_path
from repositories.selectors.facts import Facts


class GitalyRepository(TypedDict):
    """The repository as Gitaly is told of it; snake_case, or GitLab Shell ignores it silently."""

    storage_name: str
    relative_path: str
    git_object_directory: str
    git_alternate_object_directories: list[str]
    gl_repository: str
    gl_project_path: str


class Gitaly(TypedDict):
    """Which Gitaly to talk to."""

    repository: GitalyRepository
    address: str
    token: str | None
    features: dict[str, str]


class AccessGranted(TypedDict):
    """The answer to a command that may run (contract: allowed 6)."""

    status: bool
    gl_repository: str
    gl_project_path: str
    gl_project_id: int
    gl_root_namespace_id: int
    gl_id: str
    gl_username: NotRequired[str]
    gl_key_type: NotRequired[str]
    gl_key_id: NotRequired[int]
    git_config_options: list[str]
    gitaly: Gitaly
    gl_console_messages: list[str]
    need_audit: bool


def gitaly_repository(facts: Facts, quarantine: Quarantine) -> GitalyRepository:
    """Return the repository of a decision's facts, as Gitaly is told of it."""
    project, storage = facts.project, facts.storage
    if project is None or storage is None:
        raise LookupError("Only what exists is allowed.")
    return {
        "storage_name": storage.name,
        "relative_path": relative_path(project.id, facts.repository_type, storage.relative_path),
        "git_object_directory": quarantine.object_directory,
        "git_alternate_object_directories": list(quarantine.alternate_object_directories),
        "gl_repository": gl_repository(facts.repository_type, project.id),
        "gl_project_path": container_path(project.full_path, facts.repository_type),
    }


def access_granted(facts: Facts, quarantine: Quarantine) -> AccessGranted:
    """The answer, without the keys that would be null."""
    project, storage = facts.project, facts.storage
    if project is None or storage is None:
        raise LookupError("Only what exists is allowed.")
    user, key = facts.actor.user, facts.actor.key
    repository = gitaly_repository(facts, quarantine)
    answer: AccessGranted = {
        "status": True,
        "gl_repository": repository["gl_repository"],
        "gl_project_path": repository["gl_project_path"],
        "gl_project_id": project.id,
        "gl_root_namespace_id": project.root_id,
        "gl_id": f"user-{user.id}" if user else "",
        "git_config_options": _git_config_options(facts.settings.receive_max_input_size),
        "gitaly": {
            "repository": repository,
            "address": storage.address,
            "token": storage.token,
            "features": gitaly_features(
                facts.settings.feature_flags, project_path=project.full_path, username=user.username if user else None
            ),
        },
        "gl_console_messages": [KEY_EXPIRES_SOON] if key and key.expires_soon else [],
        "need_audit": facts.settings.log_git_audit_events and user is not None,
    }
    if user:
        answer["gl_username"] = user.username
    if key:
        answer["gl_key_type"] = key.kind
        answer["gl_key_id"] = key.id
    return answer


def _git_config_options(receive_max_input_size: int) -> list[str]:
    options = ["uploadpack.allowFilter=true", "uploadpack.allowAnySHA1InWant=true"]
    return [*options, f"receive.maxInputSize={receive_max_input_size * 1024 * 1024}"] if receive_max_input_size else options
