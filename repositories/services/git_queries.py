"""Asking Gitaly what a decision needs to know, with what is left of its time (contract: decisions 23 and 24).

Import it where it is used: it loads gRPC, which a process that answers pulls only never needs.
"""

import logging
from collections.abc import Iterable

from internal_api.errors import UnavailableError
from internal_api.logs import correlation_id
from repositories.gitaly.admission import place
from repositories.gitaly.client import GitalyClient
from repositories.gitaly.errors import GitalyError, GitalyRefusedError, GitalyTokenRefusedError, RepositoryNotFoundError
from repositories.gitaly.values import RepositoryRef, StorageAddress
from repositories.lfs.selectors import linked_sizes
from repositories.policy import GitQuery, HasNewCommits, IsForced, LacksLFSObjects
from repositories.services.timed_log import FORCE_PUSH, LFS_OBJECTS, PROTECTED_BRANCH_CREATION, TimedLog

logger = logging.getLogger(__name__)

AWAY = "The push cannot be checked at the moment, because the Git storage does not answer. Please try again later."
MISSING = "The push cannot be checked, because the repository is missing in the Git storage. Please tell an administrator."
REFUSED = "The push cannot be checked, because the Git storage refuses this service's token. Please tell an administrator."
UNFIT = "The push cannot be checked, because the Git storage does not serve this repository. Please tell an administrator."
INCOMPLETE = "The push cannot be checked: the repository does not have what the push starts from."


def answer(
    queries: Iterable[GitQuery],
    *,
    project_id: int,
    storage: StorageAddress,
    repository: RepositoryRef,
    snapshot_path: str,
    protected: Iterable[str],
    log: TimedLog,
) -> dict[GitQuery, bool]:
    """Git's answers. Raises UnavailableError when Gitaly is away or slow, or does not know what it is asked about: nothing is guessed.

    `snapshot_path` is Gitaly's own path of the repository during the push, which it wants to hear again; `protected` are the
    names and patterns of the protected branches.
    """
    metadata: list[tuple[str, str | bytes]] = [("x-gitlab-correlation-id", correlation_id.get())]
    if snapshot_path:
        metadata.append(("relative-path-bin", snapshot_path.encode()))
    if repository.git_object_directory:
        metadata.append(("gitaly-route-repository-accessor-policy", "primary-only"))
    client = GitalyClient(storage, metadata)
    asked = list(queries)
    try:
        with place(storage.address, log.seconds_left()):
            if isinstance(asked[0], LacksLFSObjects):
                return _lacking_lfs_objects(client, asked, repository, project_id, log)
            with log.section(FORCE_PUSH if isinstance(asked[0], IsForced) else PROTECTED_BRANCH_CREATION):
                _refuse_missing(client.missing_objects(repository, _objects(asked), seconds=log.question_seconds()))
            return _forced(client, asked, repository, log) | _with_new_commits(client, asked, repository, protected, log)
    except GitalyError as error:
        logger.warning("Gitaly could not be asked about %s: %s", repository.gl_repository, error)
        raise UnavailableError(_sentence(error)) from error


def _sentence(error: GitalyError) -> str:
    """What the pusher reads: whether waiting helps, or somebody has to do something (contract: decisions 16d)."""
    match error:
        case RepositoryNotFoundError():
            return MISSING
        case GitalyTokenRefusedError():
            return REFUSED
        case GitalyRefusedError():
            return UNFIT
        case _:
            return AWAY


def _objects(queries: Iterable[GitQuery]) -> list[str]:
    return [
        revision
        for query in queries
        if not isinstance(query, LacksLFSObjects)
        for revision in ((query.oldrev, query.newrev) if isinstance(query, IsForced) else (query.newrev,))
    ]


def _refuse_missing(missing: set[str]) -> None:
    """Gitaly calls an update forced when it does not know one of the revisions, which would be a guess."""
    if missing:
        raise UnavailableError(INCOMPLETE)


def _forced(client: GitalyClient, asked: Iterable[GitQuery], repository: RepositoryRef, log: TimedLog) -> dict[GitQuery, bool]:
    """Which updates are forced: one call each, all of them together."""
    updates = [query for query in asked if isinstance(query, IsForced)]
    if not updates:
        return {}
    with log.section(FORCE_PUSH):
        pairs = [(update.oldrev, update.newrev) for update in updates]
        kept = client.are_ancestors(repository, pairs, seconds=log.question_seconds())
    return {update: not is_kept for update, is_kept in zip(updates, kept, strict=True)}


def _with_new_commits(
    client: GitalyClient, asked: Iterable[GitQuery], repository: RepositoryRef, protected: Iterable[str], log: TimedLog
) -> dict[GitQuery, bool]:
    """Which new branches hold commits that no protected branch has: one call each, all of them together."""
    creations = [query for query in asked if isinstance(query, HasNewCommits)]
    if not creations:
        return {}
    excluded = [_glob(pattern) for pattern in protected]
    with log.section(PROTECTED_BRANCH_CREATION):
        sets = [[creation.newrev, "--not", *excluded] for creation in creations]
        found = client.have_commits(repository, sets, seconds=log.question_seconds())
    return dict(zip(creations, found, strict=True))


def _lacking_lfs_objects(
    client: GitalyClient, asked: Iterable[GitQuery], repository: RepositoryRef, project_id: int, log: TimedLog
) -> dict[GitQuery, bool]:
    """Whether the push names LFS objects that the project does not have: one call, and one query if it names any."""
    answers: dict[GitQuery, bool] = {}
    for query in asked:
        if isinstance(query, LacksLFSObjects):
            with log.section(LFS_OBJECTS):
                named = client.new_lfs_oids(repository, query.revisions, seconds=log.question_seconds())
                answers[query] = bool(named) and not named <= linked_sizes(project_id, named).keys()
    return answers


def _glob(pattern: str) -> str:
    """All branches of a pattern, of which there may be none. Git takes a pattern without a star for a directory, hence the brackets."""
    return f"--glob=refs/heads/{pattern}" if "*" in pattern else f"--glob=refs/heads/{pattern[:-1]}[{pattern[-1]}]"
