"""Short ways to ask the policy: who, what and which project, with everything else as it usually is."""

from dataclasses import replace
from typing import Any

from repositories.policy import AccessRequest, Actor, Instance, Key, KeyKind, Project, Role, User

PULL = "git-upload-pack"
ARCHIVE = "git-upload-archive"
PUSH = "git-receive-pack"

NOBODY = Actor()
STRANGER = Actor(user=User(1, "carol"))
EXTERNAL = Actor(user=User(1, "carol", external=True))
ADMIN = Actor(user=User(1, "root", admin=True))
READING_KEY = Actor(key=Key(2, KeyKind.DEPLOY, enabled=True), user=User(9, "ghost", user_type="ghost"))
WRITING_KEY = Actor(key=Key(2, KeyKind.DEPLOY, enabled=True, can_push=True), user=User(9, "ghost", user_type="ghost"))
OTHER_KEY = Actor(key=Key(2, KeyKind.DEPLOY), user=User(9, "ghost", user_type="ghost"))


def member(role: Role, **fields: Any) -> Actor:
    """A person with a role in the project, who came with a key."""
    return Actor(key=Key(11), user=User(7, "ann", role=role, **fields))


def project(**fields: Any) -> Project:
    """A private project of the group acme."""
    return Project(**{"id": 3, "full_path": "acme/rockets", "root_id": 1, "root_path": "acme", **fields})


def ask(actor: Actor, action: str = PULL, what: Project | None = None, **fields: Any) -> AccessRequest:
    """The question of GitLab Shell over SSH, before any changes are known."""
    asked = AccessRequest(action=action, protocol="ssh", actor=actor, instance=Instance(), project=what)
    return replace(asked, **fields)
