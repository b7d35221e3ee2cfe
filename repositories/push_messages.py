"""What somebody reads after a push, in the contract's order: broadcast, warnings, merge request links, moved, created (allowed 7.5)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, TypedDict
from urllib.parse import quote_plus

from repositories.policy import Change, Role
from repositories.policy.ref_names import covers


class Message(TypedDict):
    """One message; `alert` is boxed by Gitaly, `basic` is printed as it is."""

    message: str
    type: str


def alert(text: str) -> Message:
    """A boxed message."""
    return {"message": text, "type": "alert"}


def basic(text: str) -> Message:
    """A plain message."""
    return {"message": text, "type": "basic"}


def broadcast(banners: Iterable[Mapping[str, Any]], *, path: str | None, role: int, now: datetime) -> str | None:
    """The last banner of now: one for this project before one for all; its audience by role."""
    current = [banner for banner in banners if _is_current(banner, now) and banner.get("show_in_cli", True) and _is_for(banner, role)]
    targeted = [banner for banner in current if path is not None and banner.get("target_path") and _targets(banner, path)]
    chosen = targeted or [banner for banner in current if not banner.get("target_path")]
    return str(chosen[-1]["message"]) if chosen else None


def _targets(banner: Mapping[str, Any], path: str) -> bool:
    """Whether the banner is for this project: its target path may begin and end with a slash, or not."""
    return covers(str(banner["target_path"]).strip("/"), path)


def _is_current(banner: Mapping[str, Any], now: datetime) -> bool:
    starts, ends = banner.get("starts_at"), banner.get("ends_at")
    return (not starts or datetime.fromisoformat(starts) <= now) and (not ends or now < datetime.fromisoformat(ends))


def _is_for(banner: Mapping[str, Any], role: int) -> bool:
    audience = banner.get("roles") or []
    return not audience or any(Role[name.upper()] == role for name in audience if name.upper() in Role.__members__)


MOST_LINKS = 10
"""Branches of one push that an invitation is printed for: a mirror may push 100,000."""
LONGEST_BRANCH = 1024
"""Characters of a branch's name up to which its link is printed."""


def merge_request_links(changes: Iterable[Change], *, project_url: str, default_branch: str) -> list[str]:
    """Return an invitation to open a merge request for each of the first pushed branches; merge requests are not kept here."""
    branches = (change.branch for change in changes if not change.deletes)
    linked = (branch for branch in branches if branch is not None and branch != default_branch and len(branch) <= LONGEST_BRANCH)
    return [
        f"To create a merge request for {branch}, visit:\n"
        f"  {project_url}/-/merge_requests/new?merge_request%5Bsource_branch%5D={quote_plus(branch)}"
        for branch in islice(linked, MOST_LINKS)
    ]


def moved(kind: str, former: str, path: str, url: str) -> str:
    """For somebody whose remote still names a former path. `kind` is "Project" or "Project wiki"."""
    return f"{kind} '{former}' was moved to '{path}'.\n\nPlease update your Git remote:\n\n  git remote set-url origin {url}\n"


def created(path: str, remote_url: str, project_url: str | None) -> str:
    """The text for a user whose push created a project; `project_url` is None where no web page shows it (decisions 19)."""
    text = (
        f"\nThe private project {path} was successfully created.\n\nTo configure the remote, run:\n  git remote add origin {remote_url}\n\n"
    )
    return text if project_url is None else f"{text}To view the project, visit:\n  {project_url}\n\n"
