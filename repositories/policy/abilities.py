"""What a role lets somebody do with a project, before any rule about the moment (contract: allowed 9)."""

from ipaddress import ip_address, ip_network

from repositories.policy.facts import Actor, Project, Role, User

_WIKI_WRITERS = frozenset({Role.PLANNER, Role.DEVELOPER, Role.MAINTAINER, Role.OWNER})


def can_read_project(user: User | None, project: Project) -> bool:
    """Whether a user, or somebody anonymous, may know that the project exists."""
    if project.visibility == "public":
        return True
    if user is None:
        return False
    return user.is_member or user.admin or (project.visibility == "internal" and not user.external)


def actor_can_read(actor: Actor, project: Project) -> bool:
    """The same for whoever comes: an enabled deploy key reads, any other sees what is public."""
    key = actor.deploy_key
    return can_read_project(actor.account, project) or (key is not None and key.enabled)


def address_is_allowed(check_ip: str | None, allowlist: tuple[str, ...]) -> bool:
    """Whether the client's address is in one of the group's ranges; without an address nothing is restricted."""
    if not allowlist or not check_ip:
        return True
    try:
        address = ip_address(check_ip)
    except ValueError:
        return False
    return any(address in ip_network(entry, strict=False) for entry in allowlist)


def can_download(actor: Actor, project: Project) -> bool:
    """Whether the repository may be pulled (contract: allowed 4.5)."""
    if project.repository_access_level == "disabled":
        return False
    key = actor.deploy_key
    if key is not None and key.enabled:
        return True
    return _user_can_download(actor.account, project)


def _user_can_download(user: User | None, project: Project) -> bool:
    open_to_all = project.repository_access_level == "enabled"
    if user is None:
        return project.visibility == "public" and open_to_all
    if user.admin:
        return True
    if project.visibility == "private":
        return user.role >= (Role.PLANNER if open_to_all else Role.REPORTER)
    if user.role >= Role.PLANNER or (user.is_member and not (user.external and project.visibility == "internal")):
        return True
    return open_to_all and can_read_project(None if user.external else user, project)


def can_download_wiki(actor: Actor, project: Project) -> bool:
    """Whether the wiki may be pulled: a guest may read its pages, but not clone a private one (contract: allowed 9.4)."""
    if project.wiki_access_level == "disabled":
        return False
    key, user = actor.deploy_key, actor.account
    if key is not None and key.enabled:
        return True
    if user is not None and (user.admin or user.role >= Role.PLANNER):
        return True
    if project.wiki_access_level != "enabled":
        return False
    return project.visibility == "public" or (project.visibility == "internal" and user is not None and not user.external)


def can_write_wiki(user: User | None, project: Project) -> bool:
    """Whether a user may change the wiki; a deploy key writes as its owner."""
    if user is None or project.wiki_access_level == "disabled":
        return False
    return user.admin or user.role in _WIKI_WRITERS


def can_push_code(user: User | None, project: Project) -> bool:
    """Whether a user may push at all: developers and up, and administrators.

    Merge requests are not kept here, so pushing to somebody else's branch because of one does not exist (allowed 5.3).
    """
    if user is None or project.repository_access_level == "disabled":
        return False
    return user.admin or user.role >= Role.DEVELOPER


def can_administer(user: User | None) -> bool:
    """Whether a user has a maintainer's rights in the project."""
    return user is not None and (user.admin or user.role >= Role.MAINTAINER)
