"""The default branch: what HEAD names at Gitaly, what the project says, and the rule that protects it.

The three go together (contract: decisions 16c). Gitaly is asked before anything is written, for a short time; where it does
not answer, the order of `first_choice` decides, the project is marked, and a worker asks again (`settle_default_branch`).
"""

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, Q

from internal_api.branch_names import is_valid_name
from internal_api.errors import UnavailableError
from internal_api.models import InstanceSettings
from repositories.errors import InvalidProjectError
from repositories.models import Namespace, Project, PushEvent
from repositories.policy import Change, RepositoryType
from repositories.services.protected_refs import LEVELS, protect_pushed_branch

if TYPE_CHECKING:
    from repositories.gitaly.client import GitalyClient  # gRPC is loaded by those who need it
    from repositories.gitaly.values import RepositoryRef
    from repositories.selectors.facts import Facts

logger = logging.getLogger(__name__)
BRANCHES = "refs/heads/"
SECONDS_OF_A_PUSH = 2.0
"""How long a push waits for Gitaly to tell its default branch (contract: decisions 16c)."""
SECONDS = 5.0
"""How long workers and commands wait."""
_CANDIDATES = 10
"""How many of the pushed branches are asked about; the first one that exists is taken."""


@dataclass(frozen=True, slots=True)
class DefaultBranch:
    """What became of the question. A `name` that is provisional was not confirmed by Gitaly."""

    name: str
    is_provisional: bool = False


def order(pushed: Sequence[str], *preferred: str) -> list[str]:
    """Return the names that a default branch may have, the best first: preferred ones, main, master, the first pushed."""
    return list(dict.fromkeys([*(name for name in preferred if name), "main", "master", *pushed]))


def first_choice(pushed: Sequence[str], *preferred: str) -> str:
    """Return the branch that the order above decides for, of the pushed ones."""
    return next(name for name in order(pushed, *preferred) if name in pushed)


def default_branch_of(
    client: "GitalyClient", repository: "RepositoryRef", pushed: Sequence[str], preferred: Sequence[str], *, seconds: float
) -> str | None:
    """Return the branch that HEAD names, after HEAD was set where it named none that exists; None while there is no branch.

    Raises GitalyError.
    """
    end = time.monotonic() + seconds

    def left() -> float:
        """All calls together have one deadline."""
        return end - time.monotonic()

    present = client.default_branch(repository, seconds=left())
    if present is None:
        return None
    if client.head(repository, seconds=left()) != present:
        candidates = [BRANCHES + name for name in order(pushed[:_CANDIDATES], *preferred)]
        existing = client.existing_refs(repository, candidates, seconds=left())
        present = next((ref for ref in candidates if ref in existing), present)
        client.set_head(repository, present, seconds=left())
        logger.info("HEAD of %s named no branch, and names %s now", repository.gl_repository, present)
    return present.removeprefix(BRANCHES)


def pushed_branches(changes: Iterable[Change]) -> list[str]:
    """Return the branches that exist after a push because of it."""
    return [branch for change in changes if not change.deletes and (branch := change.branch) is not None]


def default_branch_after(facts: "Facts", changes: Iterable[Change]) -> DefaultBranch | None:
    """Return the default branch of a repository that was empty before a push; None where it is not known to have any.

    Ask this before the transaction that records the push. Never fails: while Gitaly does not answer, the order decides.
    """
    project, storage = facts.project, facts.storage
    if project is None or storage is None or not project.empty or facts.repository_type != RepositoryType.PROJECT:
        return None
    from repositories.gitaly.errors import GitalyError  # noqa: PLC0415  gRPC is loaded by those who need it
    from repositories.services.repositories_at_gitaly import client_and_repository  # noqa: PLC0415  likewise

    pushed, preferred = pushed_branches(changes), (project.default_branch, facts.settings.default_branch_name)
    try:
        client, repository = client_and_repository(project, storage)
        found = default_branch_of(client, repository, pushed, preferred, seconds=SECONDS_OF_A_PUSH)
    except GitalyError as error:
        logger.warning("The default branch of project-%s could not be asked of Gitaly: %s", project.id, error)
        found = None
    if found is not None:
        return DefaultBranch(found)
    return DefaultBranch(first_choice(pushed, *preferred), is_provisional=True) if pushed else None


def note_default_branch(project_id: int, found: DefaultBranch | None, settings: InstanceSettings) -> None:
    """Write down that a repository is no longer empty, its default branch and that branch's rule; once.

    Call this in the transaction that records the push.
    """
    if found is None:
        return
    project = Project.objects.select_for_update().get(pk=project_id)
    if project.empty:
        _first_branch(project, found, settings)


def _first_branch(project: Project, found: DefaultBranch, settings: InstanceSettings) -> None:
    project.empty = False
    project.default_branch = found.name
    project.default_branch_is_provisional = found.is_provisional
    project.save(update_fields=["empty", "default_branch", "default_branch_is_provisional", "updated_at"])
    protect_default_branch(project, settings.default_branch_push, settings.default_branch_merge)


def protect_default_branch(project: Project, push: str, merge: str) -> None:
    """Make the rule that a project gets with its first branch, from its namespace's defaults or else the instance's."""
    if project.protected_branches.filter(name=project.default_branch).exists():
        return
    namespace = Namespace.objects.get(pk=project.namespace_id)
    push, merge = namespace.default_branch_push or push, namespace.default_branch_merge or merge
    protect_pushed_branch(project, project.default_branch, LEVELS[push], LEVELS[merge])


def _move_to(project: Project, branch: str) -> bool:
    """Let the project name another default branch, and its rule follow; whether a rule moved.

    Where the new branch has a rule of its own, both stay: somebody wanted them.
    """
    rules, former = project.protected_branches, project.default_branch
    moves = former != branch and not rules.filter(name=branch).exists()
    moved = bool(moves and rules.filter(name=former).update(name=branch))
    project.default_branch = branch
    project.default_branch_is_provisional = False
    project.save(update_fields=["default_branch", "default_branch_is_provisional", "updated_at"])
    return moved


def settle_default_branch(project_id: int, *, seconds: float = SECONDS, adopt: bool = False) -> bool:
    """Bring a project whose branches are not certain into step with Gitaly; whether it has branches there.

    Not certain are those that count as empty here and those whose default branch is provisional. `adopt` lets a project follow
    HEAD that is neither. Raises GitalyError.
    """
    from repositories.services.repositories_at_gitaly import client_of, repository_of  # noqa: PLC0415  gRPC is loaded by those who need it

    project = Project.objects.select_related("storage", "route").get(pk=project_id)
    latest = latest_event(project_id)
    settings = InstanceSettings.current()
    preferred = (project.default_branch, settings.default_branch_name)
    found = default_branch_of(client_of(project), repository_of(project), (), preferred, seconds=seconds)
    with transaction.atomic():
        locked = Project.objects.select_for_update().get(pk=project_id)
        if found is None:
            _note_no_branches(locked, latest)
        elif locked.empty:
            _first_branch(locked, DefaultBranch(found), settings)
        elif (locked.default_branch_is_provisional or adopt) and _differs(locked, found):
            _move_to(locked, found)
    return found is not None


def _differs(project: Project, branch: str) -> bool:
    return project.default_branch_is_provisional or project.default_branch != branch


def latest_event(project_id: int) -> int | None:
    """The id of the project's last push event, which tells whether one was reported while Gitaly was asked."""
    return PushEvent.objects.filter(project_id=project_id).order_by("-pk").values_list("pk", flat=True).first()


def _note_no_branches(project: Project, latest: int | None) -> None:
    """Gitaly has no branch: the next one that is pushed is the first, unless one was reported while Gitaly was asked."""
    if not project.empty and latest_event(project.pk) == latest:
        project.empty = True
        project.default_branch_is_provisional = False
        project.save(update_fields=["empty", "default_branch_is_provisional", "updated_at"])


def settle_quietly(project_id: int, *, seconds: float = SECONDS) -> None:
    """Settle the default branch where it is not certain; while Gitaly does not answer it stays so, and is asked again later."""
    from repositories.gitaly.errors import GitalyError  # noqa: PLC0415  gRPC is loaded by those who need it

    uncertain = Project.objects.filter(Q(empty=True) | Q(default_branch_is_provisional=True), pk=project_id)
    if not uncertain.exists():
        return
    try:
        settle_default_branch(project_id, seconds=seconds)
    except GitalyError as error:
        logger.warning("The default branch of project-%s is not certain yet: %s", project_id, error)


def settle_waiting(now: datetime) -> int:
    """Settle projects whose default branch is provisional, some at a time; how many were settled."""
    waiting = Project.objects.filter(default_branch_is_provisional=True)
    tried = list(waiting.order_by(F("updated_at")).values_list("pk", flat=True)[:20])
    for project_id in tried:
        settle_quietly(project_id, seconds=SECONDS_OF_A_PUSH)
    Project.objects.filter(pk__in=tried).update(updated_at=now)  # those that could not be settled wait for their turn
    return len(tried) - waiting.filter(pk__in=tried).count()


def set_default_branch(project: Project, branch: str, *, seconds: float = SECONDS) -> bool:
    """Make a branch the default one: in the project, at Gitaly's HEAD, and with the rule; whether a rule moved.

    The branch must exist, unless the repository has none yet. Raises InvalidProjectError and UnavailableError, and then nothing
    has changed. HEAD is written first: if the database fails after it, the same call brings the row into step.
    """
    if not is_valid_name(branch):
        raise InvalidProjectError(f"{branch!r} is not a valid name of a branch.")
    from repositories.gitaly.errors import GitalyError, RepositoryNotFoundError  # noqa: PLC0415  gRPC is loaded by those who need it
    from repositories.services.repositories_at_gitaly import client_of, repository_of  # noqa: PLC0415  likewise

    client, repository, ref = client_of(project), repository_of(project), BRANCHES + branch
    try:
        has_branches = client.has_branches(repository, seconds=seconds)
        if has_branches and not client.existing_refs(repository, [ref], seconds=seconds):
            raise InvalidProjectError(f"The repository has no branch {branch!r}; push it first.")
        client.set_head(repository, ref, seconds=seconds)
    except RepositoryNotFoundError as error:
        raise UnavailableError(f"{error}. Make it with: manage.py create_repositories --project {project.route.path}") from error
    except GitalyError as error:
        raise UnavailableError(f"The default branch cannot be changed at the moment: {error}") from error
    with transaction.atomic():  # after the last call to Gitaly, which nobody is to wait for
        locked = Project.objects.select_for_update().get(pk=project.pk)
        moved = _set(locked, branch, has_branches=has_branches)
    project.default_branch, project.empty = locked.default_branch, locked.empty
    return moved


def _set(project: Project, branch: str, *, has_branches: bool) -> bool:
    if has_branches and project.empty:
        _first_branch(project, DefaultBranch(branch), InstanceSettings.current())
        return False
    return _move_to(project, branch)
