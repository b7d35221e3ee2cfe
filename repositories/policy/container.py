"""Rules about the project: whether there is one for this actor, and whether it has a repository (contract: allowed 4.4, 4.7)."""

from repositories.policy import messages
from repositories.policy.abilities import actor_can_read, address_is_allowed
from repositories.policy.request import Request
from repositories.policy.verdicts import CreateProject, Denied, Reason


def the_namespace_admits_the_certificate(request: Request) -> Denied | None:
    """Where a top-level group wants certificates, people come with one of it; and a certificate opens its own group only.

    Asked by GitLab Shell only, that is, before the changes are known. Wikis are held to it like their projects.
    """
    if request.changes is not None:
        return None
    project = request.project
    if request.namespace_path:
        allowed = project is not None and project.root_is_group and project.root_path.lower() == request.namespace_path.lower()
    else:
        allowed = project is None or not project.root_enforces_ssh_certificates or not _is_a_person(request)
    return None if allowed else Denied(Reason.NAMESPACE_NOT_ALLOWED, messages.NAMESPACE_NOT_ALLOWED)


def _is_a_person(request: Request) -> bool:
    user = request.actor.account
    return user is not None and user.user_type == "human"


def the_path_has_a_namespace(request: Request) -> Denied | None:
    """A path without a namespace names nothing."""
    if request.project is None and not request.has_namespace:
        return Denied(Reason.NAMESPACE_NOT_FOUND, messages.NAMESPACE_NOT_FOUND)
    return None


def the_project_is_there(request: Request) -> Denied | CreateProject | None:
    """A missing project is made by its first push, if the actor may; else it is reported missing."""
    if request.project is not None:
        return None
    if request.is_push and request.changes is None and request.may_create_project and request.actor.account is not None:
        return CreateProject()
    return not_found(request)


def the_project_is_visible(request: Request) -> Denied | None:
    """What an actor may not see is reported missing, in the same words."""
    project = request.project
    return None if project is None or actor_can_read(request.actor, project) else not_found(request)


def the_address_is_allowed(request: Request) -> Denied | None:
    """The top-level group's list of addresses; outside it the project is reported missing."""
    project = request.project
    if project is None or not project.root_ip_allowlist or address_is_allowed(request.check_ip, project.root_ip_allowlist):
        return None
    return Denied(Reason.ADDRESS_NOT_ALLOWED, not_found(request).message)


def the_repository_exists(request: Request) -> Denied | None:
    """A project may have no repository, or no wiki, on disk."""
    project = request.project
    if project is None:
        return None
    if request.is_wiki:
        return None if project.wiki_exists else Denied(Reason.NO_REPOSITORY, messages.NO_WIKI_REPOSITORY)
    return None if project.repository_exists else Denied(Reason.NO_REPOSITORY, messages.NO_REPOSITORY)


def not_found(request: Request) -> Denied:
    """The answer for a project that is missing or hidden: nobody can tell which."""
    if request.is_wiki:
        return Denied(Reason.WIKI_NOT_FOUND, messages.WIKI_NOT_FOUND)
    return Denied(Reason.PROJECT_NOT_FOUND, messages.PROJECT_NOT_FOUND)
