"""Credentials for LFS over HTTP: giving them out, and telling an LFS server what they are good for."""

from dataclasses import dataclass

from accounts.selectors.acting_accounts import find_acting_account
from accounts.selectors.actors import NOBODY, ActorReference
from accounts.services.lfs_tokens import identify_lfs_token, issue_lfs_token, lfs_username
from internal_api.errors import NotFoundError
from repositories import policy
from repositories.models import Project
from repositories.policy import Action, RepositoryType
from repositories.policy.repository_path import container_path
from repositories.selectors.facts import ContainerReference, Facts, gather, with_otp_session
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


def _container(facts: Facts) -> str | None:
    """The global id of a repository with LFS; None without one."""
    project, model = facts.project, _MODELS.get(facts.repository_type)
    if project is None or model is None or not Project.objects.filter(pk=project.id, lfs_enabled=True).exists():
        return None
    return f"gid://gitlab/{model}/{project.id}"


def give_credentials(who: ActorReference, what: ContainerReference) -> LFSCredentials:
    """Credentials for whoever /allowed has let in. Raises NotFoundError; the repository is looked at before the actor."""
    facts = gather(who, what)
    container = _container(facts)
    if container is None or facts.project is None:
        raise NotFoundError
    account = find_acting_account(who)
    if account.user is None:
        raise NotFoundError("404 Not found")
    path = container_path(facts.project.full_path, facts.repository_type)
    return LFSCredentials(lfs_username(account), issue_lfs_token(account, container), clone_url(path, "http"))


def verify_credentials(username: str, token: str, what: ContainerReference, check_ip: str | None = None) -> LFSAccess | None:
    """What this pair is good for at this repository, by the same policy that /allowed asks; None for nothing (decisions 14e)."""
    container = _container(gather(NOBODY, what))
    who = identify_lfs_token(username, token, container) if container else None
    if who is None:
        return None
    facts = with_otp_session(gather(who, what))
    operations = tuple(name for name, action in _OPERATIONS.items() if _may(facts, action, check_ip))
    user = facts.actor.user
    return LFSAccess(f"user-{user.id}", operations) if operations and user is not None else None


def _may(facts: Facts, action: Action, check_ip: str | None) -> bool:
    project = facts.project
    # A token got without a key came by a certificate, which /allowed has held against the group already.
    by_certificate = project is not None and project.root_enforces_ssh_certificates and facts.actor.key is None
    request = policy.Request(
        action=action,
        protocol="ssh",
        actor=facts.actor,
        instance=facts.instance,
        project=project,
        repository_type=facts.repository_type,
        changes=None,
        check_ip=check_ip,
        namespace_path=project.root_path if project is not None and by_certificate else None,
    )
    return isinstance(policy.decide(request), policy.Allowed)
