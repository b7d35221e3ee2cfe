"""Protected branches and tags: the rules that cover a name, and whom they let through (contract: allowed 5.5)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from repositories.policy.abilities import can_administer, can_push_code, can_read_project
from repositories.policy.facts import Project, Role, User
from repositories.policy.ref_names import covers


@dataclass(frozen=True, slots=True)
class Grants:
    """The levels of a rule for one purpose.

    `roles` are role levels (0 is "no one", which never grants; 60 is administrators). The others tell whether a level
    names the acting user, a group through which the user is let in, or a writing deploy key that the user owns.
    """

    roles: frozenset[int] = frozenset()
    user: bool = False
    group: bool = False
    deploy_key: bool = False

    def include(self, user: User | None, project: Project) -> bool:
        """Whether any level lets the acting user through. Being an administrator does not stand in for a role."""
        if user is None:
            return False
        if self._role_of(user, project):
            return True
        if self.user and user.is_member:
            return True
        return self.group or (self.deploy_key and user.is_member and can_read_project(user, project))

    def _role_of(self, user: User, project: Project) -> bool:
        if Role.ADMIN in self.roles and user.admin:
            return True
        return can_push_code(user, project) and any(Role.NONE < role < Role.ADMIN and user.role >= role for role in self.roles)


@dataclass(frozen=True, slots=True)
class BranchRule:
    """A protected branch, or all branches that a pattern covers; of the project or of its top-level group."""

    name: str
    push: Grants = Grants()
    merge: Grants = Grants()
    allow_force_push: bool = False


@dataclass(frozen=True, slots=True)
class TagRule:
    """A protected tag, or all tags that a pattern covers."""

    name: str
    create: Grants = Grants()


R = TypeVar("R", BranchRule, TagRule)


class _Covering(Generic[R]):
    """The rules that cover a name, found by what their patterns begin with.

    A pattern is compared only with names that begin like it, so thousands of refs are held against
    thousands of patterns in milliseconds; one after the other they took seconds. Made at the first
    question: most pushes are about one ref.
    """

    def __init__(self, rules: Iterable[R]) -> None:
        self._rules: Iterable[R] = rules
        self._exact: dict[str, list[R]] = {}
        self._by_beginning: dict[str, list[R]] = {}
        self._lengths: list[int] | None = None

    def of(self, name: str) -> list[R]:
        """Exact rules first, then patterns, the shorter beginnings first."""
        if self._lengths is None:
            self._lengths = self._sort()
        found = list(self._exact.get(name, ()))
        for length in self._lengths:
            if length > len(name):
                break
            found += [rule for rule in self._by_beginning.get(name[:length], ()) if covers(rule.name, name)]
        return found

    def _sort(self) -> list[int]:
        for rule in self._rules:
            beginning, star, _ = rule.name.partition("*")
            (self._by_beginning if star else self._exact).setdefault(beginning, []).append(rule)
        return sorted({len(beginning) for beginning in self._by_beginning})


@dataclass(frozen=True, slots=True)
class Protection:
    """All rules that could cover something of this push. Where several do, access is the union of what they grant."""

    branches: tuple[BranchRule, ...] = ()
    tags: tuple[TagRule, ...] = ()
    _branches: _Covering[BranchRule] = field(init=False, compare=False, repr=False)
    _tags: _Covering[TagRule] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_branches", _Covering(self.branches))
        object.__setattr__(self, "_tags", _Covering(self.tags))

    def of_branch(self, name: str) -> list[BranchRule]:
        """The rules that cover a branch."""
        return self._branches.of(name)

    def of_tag(self, name: str) -> list[TagRule]:
        """The rules that cover a tag."""
        return self._tags.of(name)


NO_PROTECTION = Protection()


def may_push_to(rules: Iterable[BranchRule], user: User | None, project: Project) -> bool:
    """Whether a protected branch may be pushed to; into an empty repository maintainers always, developers by the defaults."""
    if project.empty and _may_push_first(user, project):
        return True
    return any(rule.push.include(user, project) for rule in rules)


def _may_push_first(user: User | None, project: Project) -> bool:
    if can_administer(user):
        return True
    developers_may = project.default_branch_push == "developer" or project.developer_can_initial_push
    return user is not None and user.role == Role.DEVELOPER and developers_may


def counts_as_protected(rules: Iterable[BranchRule], project: Project) -> bool:
    """Whether a branch is protected: by a rule, or, while the repository is empty, by the defaults for first branches."""
    return bool(rules) or (project.empty and project.default_branch_push != "developer")
