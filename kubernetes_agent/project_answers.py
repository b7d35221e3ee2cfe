"""A project as kas is told of it, so that it can read the repository at Gitaly (contract: kubernetes-agent 2.1)."""

from typing import Any

from internal_api.errors import ForbiddenError
from internal_api.stored_values import report_unreadable
from repositories.models import Project
from repositories.models.project import unreadable_location
from repositories.policy import RepositoryType
from repositories.policy.reasons import Reason
from repositories.policy.repository_path import gl_repository, relative_path


def project_answer(project: Project) -> dict[str, Any]:
    """The project's id, its Gitaly, its repository and its default branch; `storage` and `route` are selected along with it.

    Raises ForbiddenError while it cannot be read where the project lies.
    """
    unreadable = unreadable_location(project)
    if unreadable is not None:
        report_unreadable(*unreadable)
        raise ForbiddenError(Reason.RULES_UNREADABLE.message)
    return {
        "project_id": project.pk,
        "gitaly_info": {"address": project.storage.gitaly_address, "token": project.storage.gitaly_token},
        "gitaly_repository": {
            "storage_name": project.storage.name,
            "relative_path": relative_path(project.pk, RepositoryType.PROJECT, project.relative_path),
            "git_object_directory": "",
            "git_alternate_object_directories": [],
            "gl_repository": gl_repository(RepositoryType.PROJECT, project.pk),
            "gl_project_path": project.route.path,
        },
        "default_branch": project.default_branch or "main",
    }
