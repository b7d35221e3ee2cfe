"""Rules about the project: whether there is one for this actor, and whether it has a repository (contract: allowed 4.4, 4.7).

Whoever may not know of a project gets the answer of one that is missing, to the letter. So visibility and the list of addresses
are asked first, and only then what would tell the two apart. A first push, which creates its project, is held to the same rules
of the group beforehand.
"""

from repositories.policy.abilities import actor_can_read, address_is_allowed
from repositories.policy.facts import RepositoryType
from repositories.policy.preconditions import protocol_denial
from repositories.policy.reasons import NO_WIKI_REPOSITORY, Reason
from repositories.policy.repository_path import split_path
from repositories.policy.request import AccessRequest
from repositories.policy.verdicts import CreateProject, Denied


def project_exists(request: AccessRequest) -> Denied | None:
    """A missing project is reported missing, unless this push may create it as far as the actor's role goes."""
    return not_found(request) if request.container is None else None


def project_is_visible(request: AccessRequest) -> Denied | None:
    """What an actor may not see is reported missing, in the same words."""
    project = request.project
    return None if project is None or actor_can_read(request.actor, project) else not_found(request)


def ip_address_is_allowed(request: AccessRequest) -> Denied | None:
    """The top-level group's list of addresses; outside it the project is reported missing."""
    container = request.container
    if container is None or not container.root_ip_allowlist or address_is_allowed(request.check_ip, container.root_ip_allowlist):
        return None
    return Denied(Reason.ADDRESS_NOT_ALLOWED, not_found(request).message)


def access_rules_are_readable(request: AccessRequest) -> Denied | None:
    """While part of what restricts the project cannot be read, nobody reaches it; told to those who may know of it."""
    container = request.container
    if container is None or not container.has_unreadable_rules:
        return None
    return Denied.because_of(Reason.RULES_UNREADABLE)


def repository_is_not_a_design(request: AccessRequest) -> Denied | None:
    """Designs are not kept in Git here, which those who can read the project are told (contract: decisions 18)."""
    if request.repository_type == RepositoryType.DESIGN:
        return Denied.because_of(Reason.DESIGN_ONLY_ON_THE_WEB)
    return None


def group_allows_protocol(request: AccessRequest) -> Denied | None:
    """Where the instance leaves every protocol open, the top-level group may leave only one."""
    container = request.container
    if container is None or container.root_protocol in ("", "all", request.protocol):
        return None
    if request.protocol == "web" or request.is_lfs or request.instance.enabled_git_access_protocol:
        return None
    return protocol_denial(request)


def ssh_certificate_matches_namespace(request: AccessRequest) -> Denied | None:
    """Where a top-level group wants certificates, people come with one of it; and a certificate opens its own group only.

    Asked by GitLab Shell only, that is, before the changes are known. Wikis are held to it like their projects.
    """
    container = request.container
    if request.changes is not None or container is None:
        return None
    if request.namespace_path:
        allowed = container.root_is_group and _is_same_path(request.namespace_path, container.root_path)
    else:
        allowed = not container.root_enforces_ssh_certificates or not _is_a_person(request)
    return None if allowed else Denied.because_of(Reason.NAMESPACE_NOT_ALLOWED)


def _is_same_path(asked: str, path: str) -> bool:
    """Whether a path is meant; paths are ASCII, and `str.lower` makes ASCII of other letters too."""
    return asked.isascii() and asked.lower() == path.lower()


def _is_a_person(request: AccessRequest) -> bool:
    user = request.actor.account
    return user is not None and user.user_type == "human"


def namespace_accepts_new_project(request: AccessRequest) -> Denied | CreateProject | None:
    """A first push creates its project, unless the namespace is archived or its owner has as many as allowed."""
    destination = request.creates_in
    if destination is None:
        return None
    if destination.archived:
        return Denied(Reason.NAMESPACE_ARCHIVED, not_found(request).message)
    return CreateProject() if destination.has_room else Denied(Reason.PROJECTS_LIMIT_REACHED, not_found(request).message)


def repository_exists(request: AccessRequest) -> Denied | None:
    """A project may have no repository, or no wiki, on disk; the first allowed push to a wiki creates it (contract: decisions 16d)."""
    project = request.project
    if project is None:
        return None
    if request.is_wiki:
        return None if project.wiki_exists or request.is_push else Denied(Reason.NO_REPOSITORY, NO_WIKI_REPOSITORY)
    return None if project.repository_exists else Denied.because_of(Reason.NO_REPOSITORY)


def not_found(request: AccessRequest) -> Denied:
    """The answer for a project that is missing or hidden: it follows from the name that was asked for alone."""
    if request.named_type == RepositoryType.WIKI:
        return Denied.because_of(Reason.WIKI_NOT_FOUND)
    if request.path is not None and split_path(request.path) is None:
        return Denied.because_of(Reason.NAMESPACE_NOT_FOUND)
    return Denied.because_of(Reason.PROJECT_NOT_FOUND)
