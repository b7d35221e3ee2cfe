"""Rules about pulling, and about pushing before it is known what (contract: allowed 4.5, 4.6)."""

from repositories.policy.abilities import can_download, can_download_wiki, can_push_code, can_write_wiki
from repositories.policy.accounts import deploy_key_may_act_for
from repositories.policy.facts import Project
from repositories.policy.messages import human_size
from repositories.policy.reasons import WIKI_DOWNLOAD_NOT_ALLOWED, WIKI_NOT_WRITABLE, Reason
from repositories.policy.request import AccessRequest
from repositories.policy.verdicts import Denied


def actor_may_download(request: AccessRequest) -> Denied | None:
    """Who may pull; archived and read-only projects can be pulled too."""
    project = request.project
    if request.is_push or project is None:
        return None
    if request.is_wiki:
        allowed, message = can_download_wiki(request.actor, project), WIKI_DOWNLOAD_NOT_ALLOWED
    else:
        allowed, message = can_download(request.actor, project), Reason.DOWNLOAD_NOT_ALLOWED.message
    return None if allowed else Denied(Reason.DOWNLOAD_NOT_ALLOWED, message)


def project_accepts_pushes(request: AccessRequest) -> Denied | None:
    """Nobody pushes to a repository that is being moved, or to an archived project."""
    project = request.project
    if not request.is_push or project is None:
        return None
    if project.read_only:
        return Denied.because_of(Reason.REPOSITORY_READ_ONLY)
    if project.archived:
        return Denied.because_of(Reason.ARCHIVED)
    return None


def actor_may_upload(request: AccessRequest) -> Denied | None:
    """A deploy key needs write access here; anybody else needs to be somebody."""
    if not request.is_push:
        return None
    key = request.actor.deploy_key
    if key is not None:
        if key.enabled and key.can_push:
            return None
        return Denied.because_of(Reason.DEPLOY_KEY_CANNOT_PUSH)
    if request.actor.account is None:
        return Denied.because_of(Reason.UPLOAD_NOT_ALLOWED)
    return None


def storage_limit_allows_push(request: AccessRequest) -> Denied | None:
    """A namespace over its storage limit takes deletions only (contract: decisions 10b)."""
    project = request.project
    if not request.is_push or project is None or not project.over_storage_limit:
        return None
    if request.is_wiki:
        return Denied(Reason.STORAGE_LIMIT_REACHED, WIKI_NOT_WRITABLE)
    if request.changes is None or all(change.deletes for change in request.changes):
        return None
    return Denied.because_of(Reason.STORAGE_LIMIT_REACHED, size=human_size(project.storage_limit))


def actor_may_push(request: AccessRequest) -> Denied | None:
    """Deny a push by whoever may push nothing here.

    What exactly is pushed to a project is for the rules on refs, which look at a deploy key's
    owner too. A wiki has no such rules, so the owner is looked at here.
    """
    project = request.project
    if not request.is_push or project is None:
        return None
    if request.is_wiki:
        return _wiki_denial(request, project)
    is_disabled = project.repository_access_level == "disabled"  # for deploy keys too (contract: allowed 9.2)
    if request.actor.deploy_key is not None:
        is_allowed = not is_disabled and (request.changes is not None or _may_announce_a_push(request, project))
    else:
        is_allowed = can_push_code(request.actor.account, project)
    if is_allowed:
        return None
    return Denied.because_of(Reason.PUSH_NOT_ALLOWED)


def _may_announce_a_push(request: AccessRequest, project: Project) -> bool:
    """Whether a deploy key's `_any` is allowed: for an owner in good standing, or for a key that nobody owns.

    A key without owner acts as the ghost user, who is asked about with real changes only (contract: allowed 2.5).
    """
    owner = request.actor.user
    return owner is None or owner.user_type == "ghost" or deploy_key_may_act_for(owner, request.instance, project)


def _wiki_denial(request: AccessRequest, project: Project) -> Denied | None:
    user = request.actor.user
    is_represented = request.actor.deploy_key is None or deploy_key_may_act_for(user, request.instance, project)
    if is_represented and can_write_wiki(user, project):
        return None
    return Denied.because_of(Reason.WIKI_NOT_WRITABLE)
