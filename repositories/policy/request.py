"""The question that is decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from repositories.policy.changes import Change
from repositories.policy.facts import Action, Actor, Destination, Instance, Project, RepositoryType
from repositories.policy.protection import NO_PROTECTION, Protection
from repositories.policy.repository_path import named_type
from repositories.policy.verdicts import GitQuery


@dataclass(frozen=True, slots=True)
class Credential:
    """What the actor came with may be used for: all, but for tokens of narrow scopes (contract: git-http 2.3).

    `closed_by_lock`: too many wrong one-time passwords close keys and passwords, not tokens (git-http LD9).
    """

    pull: bool = True
    push: bool = True
    closed_by_lock: bool = True


EVERYTHING = Credential()


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """One question: may this actor run this command on this repository?

    `changes` is None for `_any`, the question that is asked before the client has said what it will push.
    `path` is the repository's path as it was asked for, None when an id was. `destination` is where a first push would create
    the missing project (contract: allowed 4.7). `answers` are Git's, as far as it was asked. `is_lfs`: it is about LFS objects
    or locks, which are served over HTTP whatever protocols Git may use, and create no project (git-http LD7).
    """

    action: str
    protocol: str
    actor: Actor
    instance: Instance
    project: Project | None
    repository_type: str = RepositoryType.PROJECT
    changes: tuple[Change, ...] | None = None
    check_ip: str | None = None
    namespace_path: str | None = None
    path: str | None = None
    destination: Destination | None = None
    protection: Protection = NO_PROTECTION
    answers: Mapping[GitQuery, bool] = field(default_factory=dict)
    credential: Credential = EVERYTHING
    is_lfs: bool = False

    @property
    def is_push(self) -> bool:
        return self.action == Action.RECEIVE_PACK

    @property
    def is_closed_by_lock(self) -> bool:
        """Whether a locked account is refused.

        The hook of a push over HTTP does not tell with what its user came: that was asked before the push began.
        """
        return self.credential.closed_by_lock and not (self.protocol == "http" and self.changes is not None)

    @property
    def is_wiki(self) -> bool:
        return self.repository_type == RepositoryType.WIKI

    @property
    def named_type(self) -> RepositoryType:
        """Which kind of repository was asked for, by the name alone, whatever is found there or hidden."""
        return RepositoryType(self.repository_type) if self.path is None else named_type(self.path)

    @property
    def creates_in(self) -> Destination | None:
        """Where the missing project may be created by this push, as far as the actor's role goes; None for anything else."""
        if self.project is not None or not self.is_push or self.changes is not None or self.actor.account is None or self.is_lfs:
            return None
        return self.destination if self.destination is not None and self.destination.may_create else None

    @property
    def container(self) -> Project | Destination | None:
        """What the rules of the top-level group are about: the project, or else where it would be created."""
        return self.creates_in if self.project is None else self.project
