"""Who may download LFS objects and who may upload them: the policy of /allowed, mapped as Git LFS has it (contract: git-http 3.2, LD7)."""

from dataclasses import dataclass, replace

from django.http import HttpRequest

from git_http.authentication import Caller, authenticate
from git_http.decisions import repository_named
from git_http.lfs_api.errors import READ_ONLY_INSTANCE, LFSDisabledError, LFSForbiddenError, LFSNotFoundError
from internal_api.logs import note
from repositories import policy
from repositories.access_check import AccessCheck
from repositories.policy import Action, Reason, RepositoryType
from repositories.selectors.facts import Facts
from repositories.services.authorization import Decision, access_request, find_facts
from repositories.services.decisions import count_decision, log_fields, record_refusal

DOWNLOAD, UPLOAD = Action.UPLOAD_PACK, Action.RECEIVE_PACK
_TYPES = frozenset({RepositoryType.PROJECT, RepositoryType.WIKI})


@dataclass(frozen=True, slots=True)
class LFSAccess:
    """A caller who may do what was asked, and the repository."""

    caller: Caller
    check: AccessCheck
    facts: Facts
    project: policy.Project

    @property
    def user(self) -> policy.User | None:
        """The user who acts; None for a deploy key and for somebody anonymous."""
        return self.facts.actor.account


def identify(request: HttpRequest, path: str) -> Caller:
    """Return who asks about the repository of a path. Raises UnauthenticatedError and BannedAddressError."""
    caller = authenticate(request, lfs_repository=repository_named(path))
    note(request, credential=caller.kind)
    return caller


def admitted(caller: Caller, check: AccessCheck) -> Facts:
    """Return the facts about a caller who may authenticate. Raises UnauthenticatedError."""
    facts = find_facts(check)
    caller.admit(check, facts)
    return facts


def require_access(request: HttpRequest, caller: Caller, path: str, action: Action) -> LFSAccess:
    """Return the access of a caller who may do this.

    Raises UnauthenticatedError, LFSDisabledError, LFSNotFoundError and LFSForbiddenError, in this order.
    """
    check = caller.check(repository_named(path), action, is_lfs=True)
    facts = admitted(caller, check)
    if not facts.settings.lfs_enabled:
        raise LFSDisabledError
    project = facts.project
    if project is None or facts.repository_type not in _TYPES or not project.lfs_enabled:
        raise LFSNotFoundError
    # Whether there is room is for uploads of objects to ask, with the bytes that are new; a lock takes none.
    facts = replace(facts, project=replace(project, over_storage_limit=False))
    denied = _decide(request, check, facts)
    if denied is not None:
        raise _refusal(check, facts, denied)
    return LFSAccess(caller, check, facts, project)


def _decide(request: HttpRequest, check: AccessCheck, facts: Facts) -> policy.Denied | None:
    """Decide, and leave behind what every decision does."""
    asked = access_request(check, facts)
    verdict = policy.decide(asked)
    if not isinstance(verdict, policy.Allowed | policy.Denied):
        raise TypeError(f"Access to LFS is allowed or denied, not {verdict}.")
    note(request, **log_fields(Decision(facts, asked, verdict)))
    count_decision(asked, verdict)
    if isinstance(verdict, policy.Allowed):
        return None
    record_refusal(asked, verdict)
    return verdict


def _refusal(check: AccessCheck, facts: Facts, denied: policy.Denied) -> LFSNotFoundError | LFSForbiddenError:
    """403 for those who may download, 404 for all others: a hidden project looks like a missing one."""
    if check.action == DOWNLOAD:
        return LFSNotFoundError()
    download = access_request(replace(check, action=DOWNLOAD), facts)
    if not isinstance(policy.decide(download), policy.Allowed):
        return LFSNotFoundError()
    return LFSForbiddenError(READ_ONLY_INSTANCE if denied.reason == Reason.READ_ONLY_INSTANCE else None)
