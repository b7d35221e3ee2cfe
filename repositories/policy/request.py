"""The question that is decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from repositories.policy.changes import Change
from repositories.policy.facts import Action, Actor, Instance, Project, RepositoryType
from repositories.policy.protection import NO_PROTECTION, Protection
from repositories.policy.verdicts import Question


@dataclass(frozen=True, slots=True)
class Request:
    """One question: may this actor run this command on this repository?

    `changes` is None for `_any`, the question that is asked before the client has said what it will push.
    `has_namespace` tells whether the path names a namespace and a project at all (contract: allowed 3.5);
    `may_create_project` whether the actor may create the missing project (4.7). `answers` are Git's, as far as it was asked.
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
    has_namespace: bool = True
    may_create_project: bool = False
    protection: Protection = NO_PROTECTION
    answers: Mapping[Question, bool] = field(default_factory=dict)

    @property
    def is_push(self) -> bool:
        return self.action == Action.RECEIVE_PACK

    @property
    def is_wiki(self) -> bool:
        return self.repository_type == RepositoryType.WIKI
