"""The storage limit of a namespace, as uploads of LFS objects meet it (contract: git-http 3.5, LD11; decisions 10b)."""

from typing import Any

from repositories.policy import Project
from repositories.policy.messages import human_size
from repositories.policy.reasons import Reason
from repositories.signals import storage_left


def find_limit_problem(project: Project, new_bytes: int) -> str | None:
    """Return why so many bytes more cannot be stored for a project; None if they can.

    Nothing is asked where the top-level namespace has no limit.
    """
    if project.storage_limit <= 0:
        return None
    answers: list[Any] = [left for _, left in storage_left.send(sender=Project, root_id=project.root_id)]
    if all(left is None or new_bytes <= left for left in answers):
        return None
    return Reason.STORAGE_LIMIT_REACHED.message.format(size=human_size(project.storage_limit))
