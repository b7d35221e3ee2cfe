"""The facts of a decision, found the slow and obvious way: model by model, row by row, without a line of SQL."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from accounts.models import SSHKey, User
from accounts.selectors.actors import ActorKind, ActorReference
from accounts.ssh.weakness import site_problem
from internal_api.models import InstanceSettings
from repositories import policy
from repositories.models import (
    DeployKeyGrant,
    GroupLink,
    Member,
    Namespace,
    Project,
    ProtectedBranch,
    ProtectedRefGrant,
    ProtectedTag,
    RedirectRoute,
    Route,
)
from repositories.policy import BranchRule, Change, Grants, Protection, TagRule
from repositories.selectors.facts import ContainerReference


@dataclass(frozen=True)
class Known:
    """What is compared with the statement's answer."""

    actor: policy.Actor
    project: policy.Project | None
    storage: tuple[str, str, str | None, str | None] | None
    key_use_is_old: bool
    activity_is_old: bool
    protection: Protection


def with_ancestors(namespace: Namespace | None) -> Iterator[Namespace]:
    while namespace is not None:
        yield namespace
        namespace = namespace.parent


def find_by_path(path: str) -> tuple[Project | None, bool]:
    """The project of that path; whether by a former one. `x.wiki` is the project called so, or else that of `x`."""
    paths = [path, *(path.removesuffix(ending) for ending in (".wiki", ".design") if path.endswith(ending))]
    for former, rows in ((False, list(Route.objects.all())), (True, list(RedirectRoute.objects.all()))):
        for wanted in paths:
            for row in rows:
                if row.path.lower() == wanted.lower() and row.project is not None:
                    return row.project, former
    return None, False


def find_actor(reference: ActorReference) -> tuple[SSHKey | None, User | None]:
    users = {user.pk: user for user in User.objects.all()}
    ghost = min((user.pk for user in users.values() if user.user_type == "ghost"), default=None)
    match reference.kind:
        case ActorKind.USER:
            return None, users.get(int(reference.value))
        case ActorKind.USERNAME:
            return None, next((user for user in users.values() if user.username.lower() == reference.value), None)
        case ActorKind.PRINCIPAL:
            return None, next((user for user in users.values() if user.kerberos_principal == reference.value), None)
        case ActorKind.KEY | ActorKind.IDENTIFIED_KEY:
            key = SSHKey.objects.filter(pk=reference.value).first()
            if key is None or key.usage_type == "signing":
                return None, None
            owner = users.get(key.user_id or ghost or 0)
            stays = reference.kind == ActorKind.KEY or key.kind == "deploy_key"
            return (key if stays else None), owner


def counts(member: Member, now: datetime) -> bool:
    return member.state == "active" and (member.expires_at is None or member.expires_at > now.date())


def level_in(user: User, places: list[Namespace], now: datetime) -> int:
    ids = [place.pk for place in places]
    levels = [member.access_level for member in Member.objects.filter(user=user) if member.namespace_id in ids and counts(member, now)]
    return max(levels, default=0)


def role_of(user: User, project: Project, now: datetime) -> int:
    if project.namespace.owner_id == user.pk:
        return policy.Role.OWNER
    above = list(with_ancestors(project.namespace))
    levels = [level_in(user, above, now)]
    levels += [member.access_level for member in Member.objects.filter(user=user, project=project) if counts(member, now)]
    for link in GroupLink.objects.all():
        if link.project_id == project.pk:
            levels.append(min(level_in(user, list(with_ancestors(link.group)), now), link.access_level))
        elif link.namespace_id in [place.pk for place in above]:
            levels.append(min(level_in(user, [link.group], now), link.access_level))
    return max(levels)


def key_facts(key: SSHKey, project: Project | None, settings: InstanceSettings, now: datetime) -> policy.Key:
    grant = DeployKeyGrant.objects.filter(key=key, project=project).first() if project else None
    return policy.Key(
        id=key.pk,
        kind=key.kind,
        problem=site_problem(key.key_type, key.bits, settings.allowed_key_types, settings.minimum_key_bits),
        expired=key.expires_at is not None and key.expires_at <= now,
        expires_soon=key.expires_at is not None and key.expires_at <= now + timedelta(days=7),
        enabled=grant is not None,
        can_push=grant is not None and grant.can_push,
    )


def user_facts(user: User, project: Project | None, settings: InstanceSettings, now: datetime) -> policy.User:
    is_new = user.created_at > now - timedelta(days=3)
    asked = {"off": False, "soft": not is_new, "hard": True}[settings.email_confirmation]
    has_password = bool(user.password) and not user.password.startswith("!")
    expires = user.password_expires_at
    return policy.User(
        id=user.pk,
        username=user.username,
        user_type=user.user_type,
        state=user.state,
        locked=user.locked_at is not None and user.locked_at > now - timedelta(minutes=10),
        admin=user.admin,
        external=user.external,
        needs_email_confirmation=asked and not user.email_confirmed,
        terms_accepted=user.terms_accepted,
        password_expired=user.user_type == "human" and not user.ldap and has_password and expires is not None and expires <= now,
        ssh_keys_disabled=user.ssh_keys_disabled,
        two_factor_enabled=bool(user.otp_secret),
        role=role_of(user, project, now) if project else 0,
    )


def project_facts(project: Project, settings: InstanceSettings) -> policy.Project:
    above = list(with_ancestors(project.namespace))
    root = above[-1]
    return policy.Project(
        id=project.pk,
        full_path=project.route.path,
        visibility=project.visibility,
        archived=project.archived or any(place.archived for place in above),
        read_only=project.read_only,
        empty=project.empty,
        repository_exists=project.repository_exists,
        wiki_exists=project.wiki_exists,
        repository_access_level=project.repository_access_level,
        wiki_access_level=project.wiki_access_level,
        default_branch=project.default_branch,
        root_id=root.pk,
        root_path=root.route.path,
        root_is_group=root.kind == "group",
        root_protocol=root.enabled_git_access_protocol,
        root_ip_allowlist=tuple(root.ip_allowlist),
        root_enforces_ssh_certificates=root.enforce_ssh_certificates,
        over_storage_limit=root.over_storage_limit,
        storage_limit=root.storage_limit,
        default_branch_push=project.namespace.default_branch_push or settings.default_branch_push,
        developer_can_initial_push=project.namespace.developer_can_initial_push,
        shows_merge_request_links=project.merge_requests_enabled and project.printing_merge_request_link_enabled,
        lfs_enabled=project.lfs_enabled,
        has_lfs_objects=project.lfs_size > 0,
    )


def group_lets_in(group: Namespace, user: User | None, project: Project, now: datetime) -> bool:
    """Invited to the project with a developer's role at least, and the user a developer of it at least, by name."""
    invited = any(link.access_level >= 30 for link in GroupLink.objects.filter(project=project, group=group))
    levels = [one.access_level for one in Member.objects.filter(user=user, namespace=group) if user and counts(one, now)]
    return invited and max(levels, default=0) >= 30


def owns_writing_key(key: SSHKey, user: User | None, project: Project) -> bool:
    return user is not None and key.user_id == user.pk and DeployKeyGrant.objects.filter(key=key, project=project, can_push=True).exists()


def grants_for(purpose: str, levels: Iterable[ProtectedRefGrant], user: User | None, project: Project, now: datetime) -> Grants:
    given = [level for level in levels if level.kind == purpose]
    return Grants(
        roles=frozenset(level.access_level for level in given if level.access_level is not None),
        user=any(user is not None and level.user == user for level in given),
        group=any(level.group is not None and group_lets_in(level.group, user, project, now) for level in given),
        deploy_key=any(level.deploy_key is not None and owns_writing_key(level.deploy_key, user, project) for level in given),
    )


def protection_facts(project: Project, user: User | None, pushed: Collection[Change], now: datetime) -> Protection:
    """The rules of the project and its top-level group that name a pushed ref, or are patterns; tags' rules where tags are pushed."""
    root = list(with_ancestors(project.namespace))[-1]
    named = {name for change in pushed for name in (change.ref, change.branch, change.tag) if name}
    branches = [
        BranchRule(
            rule.name,
            grants_for("push", rule.grants.all(), user, project, now),
            grants_for("merge", rule.grants.all(), user, project, now),
            rule.allow_force_push,
        )
        for rule in ProtectedBranch.objects.all()
        if (rule.project == project or rule.namespace == root) and ("*" in rule.name or rule.name in named)
    ]
    tags = [
        TagRule(rule.name, grants_for("create", rule.grants.all(), user, project, now))
        for rule in ProtectedTag.objects.filter(project=project)
        if "*" in rule.name or rule.name in named
    ]
    return Protection(tuple(branches), tuple(tags) if any(change.tag for change in pushed) else ())


def known(
    who: ActorReference, what: ContainerReference, pushed: Collection[Change], settings: InstanceSettings, now: datetime
) -> tuple[Known, bool]:
    """The facts, and whether a former path led to the project."""
    former = False
    if what.path is not None:
        project, former = find_by_path(what.path)
    else:
        project = Project.objects.filter(pk=what.project_id or 0).first()
    key, user = find_actor(who)
    storage = project.storage if project else None
    return Known(
        actor=policy.Actor(
            key_facts(key, project, settings, now) if key else None, user_facts(user, project, settings, now) if user else None
        ),
        project=project_facts(project, settings) if project else None,
        storage=(storage.name, storage.gitaly_address, storage.gitaly_token, project.relative_path) if storage and project else None,
        key_use_is_old=key is not None and (key.last_used_at is None or key.last_used_at <= now - timedelta(days=1)),
        activity_is_old=user is not None and (user.last_activity_on is None or user.last_activity_on < now.date()),
        protection=protection_facts(project, user, pushed, now) if project and pushed else Protection(),
    ), former
