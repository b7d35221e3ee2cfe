"""The rule on LFS objects: a push brings none whose content was not uploaded (contract: git-http 7.1, LD13; allowed 5.2 step 7, 5.7)."""

from repositories.policy.reasons import Reason
from repositories.policy.request import AccessRequest
from repositories.policy.verdicts import Denied, LacksLFSObjects, NeedsGit


def checks_lfs_objects(request: AccessRequest) -> bool:
    """Whether a push is held against the LFS objects that it names."""
    project, instance = request.project, request.instance
    if not request.is_push or project is None or request.is_wiki or not _new_revisions(request):
        return False
    if not instance.lfs_enabled or not project.lfs_enabled:
        return False
    return instance.lfs_integrity_check == "always" or (instance.lfs_integrity_check == "used" and project.has_lfs_objects)


def lfs_objects_are_uploaded(request: AccessRequest) -> Denied | NeedsGit | None:
    """All new revisions in one question: a branch whose objects are missing could not be checked out by anybody."""
    if not checks_lfs_objects(request):
        return None
    question = LacksLFSObjects(_new_revisions(request))
    if question not in request.answers:
        return NeedsGit((question,))
    if request.answers[question]:
        return Denied.because_of(Reason.LFS_OBJECTS_MISSING)
    return None


def _new_revisions(request: AccessRequest) -> tuple[str, ...]:
    return tuple(dict.fromkeys(change.newrev for change in request.changes or () if not change.deletes))
