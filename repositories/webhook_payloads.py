"""What a webhook is told of a push: GitLab's push, tag push and repository update payloads, as far as the data is kept here.

Commits are not: they are Git's, and asking for them would tie a webhook to Gitaly. `commits` is empty, `total_commits_count` 0
and `message` null; `before`, `after` and `checkout_sha` name what a receiver may fetch.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from repositories.policy import Change
from repositories.policy.ref_names import covers

MOST_CHANGES = 1000
"""Changes that one summary lists; `total_changes_count` tells how many there were."""
_LEVELS = {"private": 0, "internal": 10, "public": 20}


@dataclass(frozen=True, slots=True)
class Pusher:
    """Who has pushed; all empty when the account is gone."""

    id: int | None = None
    name: str = ""
    username: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """The project that was pushed to, and the addresses it is reached at."""

    id: int
    name: str
    description: str
    namespace_name: str
    full_path: str
    visibility: str
    default_branch: str
    external_url: str
    ssh_url: str

    def as_project(self) -> dict[str, Any]:
        """The `project` object."""
        web, ssh = f"{self.external_url}/{self.full_path}", f"{self.ssh_url}/{self.full_path}.git"
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "web_url": web,
            "avatar_url": None,
            "git_ssh_url": ssh,
            "git_http_url": f"{web}.git",
            "namespace": self.namespace_name,
            "visibility_level": _LEVELS[self.visibility],
            "path_with_namespace": self.full_path,
            "default_branch": self.default_branch,
            "ci_config_path": None,
            "homepage": web,
            "url": ssh,
            "ssh_url": ssh,
            "http_url": f"{web}.git",
        }

    def as_repository(self) -> dict[str, Any]:
        """The `repository` object, which older receivers read."""
        project = self.as_project()
        names = ("name", "url", "description", "homepage", "git_http_url", "git_ssh_url", "visibility_level")
        return {name: project[name] for name in names}


@dataclass(frozen=True, slots=True)
class Pushed:
    """One push as its webhooks see it; `protected` are the patterns of protected branches and tags."""

    place: Place
    pusher: Pusher
    changes: Sequence[Change]
    push_options: Mapping[str, Any]
    protected_branches: Collection[str]
    protected_tags: Collection[str]


@dataclass(frozen=True, slots=True)
class Message:
    """One body to send, the kind of event and the ref it is about; a summary has no ref."""

    event: str
    ref: str
    body: dict[str, Any]


def messages(pushed: Pushed, *, branches: bool, tags: bool, limit: int) -> list[Message]:
    """What a webhook gets that wants branches, tags or both: one message per ref up to the limit, else one summary."""
    wanted = [change for change in pushed.changes if (branches and change.branch is not None) or (tags and change.tag is not None)]
    if len(wanted) > limit:
        return [Message("repository_update", "", _summary(pushed, wanted))]
    return [_message(pushed, change) for change in wanted]


def sample(external_url: str) -> Message:
    """A push that never happened, to try a receiver with."""
    place = Place(1, "Example", "", "Group", "group/example", "private", "main", external_url, external_url)
    change = Change("0" * 40, "a" * 40, "refs/heads/main")
    pushed = Pushed(place, Pusher(1, "Administrator", "root"), [change], {}, ["main"], [])
    return _message(pushed, change)


def _who(pusher: Pusher) -> dict[str, Any]:
    return {
        "user_id": pusher.id,
        "user_name": pusher.name,
        "user_username": pusher.username,
        "user_email": pusher.email,
        "user_avatar": None,
    }


def _message(pushed: Pushed, change: Change) -> Message:
    is_branch = change.branch is not None
    event = "push" if is_branch else "tag_push"
    patterns = pushed.protected_branches if is_branch else pushed.protected_tags
    name = change.branch or change.tag or ""
    body = {
        "object_kind": event,
        "event_name": event,
        "before": change.oldrev,
        "after": change.newrev,
        "ref": change.ref,
        "ref_protected": any(covers(pattern, name) for pattern in patterns),
        "checkout_sha": None if change.deletes else change.newrev,
        "message": None,
        **_who(pushed.pusher),
        "project_id": pushed.place.id,
        "project": pushed.place.as_project(),
        "commits": [],
        "total_commits_count": 0,
        "push_options": dict(pushed.push_options),
        "repository": pushed.place.as_repository(),
    }
    return Message(event, change.ref, body)


def _summary(pushed: Pushed, changes: Sequence[Change]) -> dict[str, Any]:
    listed = changes[:MOST_CHANGES]
    return {
        "object_kind": "repository_update",
        "event_name": "repository_update",
        **_who(pushed.pusher),
        "project_id": pushed.place.id,
        "project": pushed.place.as_project(),
        "changes": [{"before": change.oldrev, "after": change.newrev, "ref": change.ref} for change in listed],
        "refs": [change.ref for change in listed],
        "total_changes_count": len(changes),
        "push_options": dict(pushed.push_options),
    }
