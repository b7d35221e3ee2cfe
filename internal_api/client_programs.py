"""Which program calls, as its User-Agent says: one of a few names, whatever a stranger sends."""

from enum import StrEnum
from typing import Any


class ClientProgram(StrEnum):
    """The programs that administrators configure, and everything else."""

    GITALY = "gitaly"
    SHELL = "GitLab-Shell"
    OTHER = "other"


def program_of(meta: dict[str, Any]) -> ClientProgram:
    """Return the program behind a request (contract: gitlab-shell 1.2: `gitaly/<version>` or `GitLab-Shell`)."""
    agent = str(meta.get("HTTP_USER_AGENT", ""))
    if agent.startswith("gitaly/"):
        return ClientProgram.GITALY
    return ClientProgram.SHELL if agent == "GitLab-Shell" else ClientProgram.OTHER
