"""One access check: who wants to run which Git command on which repository. Whatever serves Git builds one and authorizes it."""

from dataclasses import dataclass

from accounts.selectors.actors import ActorReference
from repositories.policy import EVERYTHING, Action, Change, Credential
from repositories.selectors.facts import ContainerReference


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Where Git keeps the objects of a push that is not accepted yet, relative to the repository; sent back to Gitaly as it came."""

    object_directory: str = ""
    alternate_object_directories: tuple[str, ...] = ()


NO_QUARANTINE = Quarantine()


@dataclass(frozen=True, slots=True)
class AccessCheck:
    """Who, what and how.

    `changes` is None for `_any`, the check before the client has said what it pushes. `namespace_path` is the group of the
    SSH certificate that the client came with. `relative_path` is Gitaly's own path of the repository during the push.
    `scoped_user_id` is the person behind a service account. `credential` says what the actor's may be used for. `is_lfs`: it is
    about LFS, where pulling is downloading and pushing is uploading (contract: git-http LD7).
    """

    who: ActorReference
    what: ContainerReference
    action: str
    protocol: str
    changes: tuple[Change, ...] | None = None
    check_ip: str | None = None
    namespace_path: str | None = None
    quarantine: Quarantine = NO_QUARANTINE
    relative_path: str = ""
    scoped_user_id: int | None = None
    credential: Credential = EVERYTHING
    is_lfs: bool = False

    @property
    def pushed(self) -> tuple[Change, ...]:
        """The refs that are pushed; none before the client has said which, and none of a pull."""
        return self.changes or () if self.action == Action.RECEIVE_PACK else ()
