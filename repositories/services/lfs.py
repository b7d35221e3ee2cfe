"""Credentials for LFS over HTTP: giving them out, and telling an LFS server what they are good for."""

from dataclasses import dataclass, replace

from accounts.selectors.acting_accounts import find_acting_account
from accounts.selectors.actors import NOBODY, ActorKind, ActorReference
from accounts.services.lfs_tokens import LFSTokenHolder, identify_lfs_token, issue_lfs_token, lfs_username
from internal_api.errors import ForbiddenError, NotFoundError
from repositories import policy
from repositories.access_check import AccessCheck
from repositories.policy import Action, Credential, RepositoryType
from repositories.policy.abilities import actor_can_read
from repositories.policy.reasons import Reason
from repositories.policy.repository_path import container_path, named_type
from repositories.selectors.facts import ContainerReference, Facts, gather, gather_for_actor
from repositories.services.authorization import access_request, find_facts
from repositories.services.one_shot_messages import clone_url

_MODELS = {RepositoryType.PROJECT: "Project", RepositoryType.WIKI: "ProjectWiki"}
_OPERATIONS = {"download": Action.UPLOAD_PACK, "upload": Action.RECEIVE_PACK}


@dataclass(frozen=True, slots=True)
class LFSCredentials:
    """What Git LFS needs."""

    username: str
    token: str
    repository_http_path: str


@dataclass(frozen=True, slots=True)
class LFSAccess:
    """Who acts with a token, and what for."""

    gl_id: str
    operations: tuple[str, ...]


def global_id(facts: Facts) -> str | None:
    """Return the repository's global id, which its LFS tokens carry; None without a repository, or for one that has no LFS."""
    project, model = facts.project, _MODELS.get(facts.repository_type)
    return f"gid://gitlab/{model}/{project.id}" if project is not None and model is not None else None


def _container(facts: Facts) -> str | None:
    """The global id of a repository with LFS; None without one."""
    project, container = facts.project, global_id(facts)
    if project is None or container is None or not project.lfs_enabled or not facts.settings.lfs_enabled:
        return None
    return container


def give_credentials(who: ActorReference, what: ContainerReference) -> LFSCredentials:
    """Return credentials for an actor that /allowed has let in.

    Raises NotFoundError, and ForbiddenError while what restricts the project cannot be read.
    The repository is looked at before the actor; one that the actor may not know of is answered
    as a missing one (contract: shell-endpoints 2, decisions 10a).
    """
    facts = gather_for_actor(who, what)
    project = facts.project
    container = _container(facts)
    if container is None or project is None or not actor_can_read(facts.actor, project):
        raise NotFoundError
    if project.has_unreadable_rules:
        raise ForbiddenError(Reason.RULES_UNREADABLE.message)
    account = find_acting_account(who)
    if account.user is None:
        raise NotFoundError("404 Not found")
    path = container_path(project.full_path, facts.repository_type)
    return LFSCredentials(lfs_username(account), issue_lfs_token(account, container), clone_url(path, "http"))


def find_lfs_token_holder(username: str, token: str, what: ContainerReference) -> tuple[LFSTokenHolder, Facts] | None:
    """Return who acts with this name and token at this repository, and the repository; None where the pair is good for nothing."""
    # A path like `x.wiki` may name two repositories, and which one is meant depends on the actor, whom the token tells.
    for find in (gather, gather_for_actor):
        named = find(NOBODY, what)
        container = global_id(named)
        holder = identify_lfs_token(username, token, container) if container else None
        if holder is not None:
            return holder, named
        if what.path is None or named_type(what.path) == RepositoryType.PROJECT:
            break
    return None


def lfs_check(holder: LFSTokenHolder, named: Facts, what: ContainerReference, action: str, check_ip: str | None) -> AccessCheck:
    """Return the access check of an LFS request with such a token at the repository that was found (contract: git-http LD7).

    A token got without a key came by a certificate where the group wants one: /allowed has held it against the group already.
    """
    project, is_by_key = named.project, holder.who.kind == ActorKind.KEY
    by_certificate = project is not None and project.root_enforces_ssh_certificates and not is_by_key
    return AccessCheck(
        holder.who,
        what,
        action,
        "http",
        check_ip=check_ip,
        namespace_path=project.root_path if project is not None and by_certificate else None,
        credential=Credential(push=holder.may_upload, closed_by_lock=is_by_key),
        is_lfs=True,
    )


def verify_credentials(username: str, token: str, what: ContainerReference, check_ip: str | None = None) -> LFSAccess | None:
    """What this pair is good for at this repository, by the same policy that /allowed asks; None for nothing (decisions 14e)."""
    found = find_lfs_token_holder(username, token, what)
    if found is None:
        return None
    holder, named = found
    check = lfs_check(holder, named, what, Action.UPLOAD_PACK, check_ip)
    facts = find_facts(check)
    project = facts.project
    if project is None or named.project is None or (project.id, facts.repository_type) != (named.project.id, named.repository_type):
        return None
    if _container(facts) is None:
        return None
    operations = tuple(name for name, action in _OPERATIONS.items() if _may(replace(check, action=action), facts))
    user = facts.actor.user
    return LFSAccess(f"user-{user.id}", operations) if operations and user is not None else None


def _may(check: AccessCheck, facts: Facts) -> bool:
    return isinstance(policy.decide(access_request(check, facts)), policy.Allowed)
