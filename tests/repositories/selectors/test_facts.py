"""The one statement behind /allowed, against the same facts found model by model, in companies made by chance."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH

from accounts.models import SSHKey, User, UserState, UserType
from accounts.selectors.actors import ActorKind, ActorReference
from internal_api.models import InstanceSettings
from repositories.models import (
    AccessLevel,
    DeployKeyGrant,
    GroupLink,
    Member,
    Namespace,
    Project,
    ProtectedBranch,
    ProtectedRefGrant,
    ProtectedTag,
)
from repositories.policy import Change, Protection, RepositoryType, parse_changes
from repositories.selectors.facts import ContainerReference, Facts, gather
from repositories.selectors.facts_sql import ContainerKind, facts_sql
from repositories.selectors.protection_sql import RulesKind
from repositories.services.access import grant_deploy_key, set_member, share_with
from repositories.services.projects import add_redirect, create_project
from tests.factories import GroupFactory, StorageFactory, UserFactory
from tests.repositories.selectors.facts_by_models import Known, known, with_ancestors
from tests.statements import at_most

NOW = timezone.now()
LEVELS = list(AccessLevel.values)


def sometime(chance: random.Random, *days: float) -> Any:
    """One of the moments so many days from now, or never."""
    return chance.choice([None, *(NOW + timedelta(days=day) for day in days)])


def maybe(chance: random.Random) -> bool:
    return chance.random() < 0.5


def make_users(chance: random.Random) -> list[User]:
    users = []
    for number in range(6):
        user = UserFactory.create(username=f"Person{number}")
        User.objects.filter(pk=user.pk).update(
            state=chance.choice(UserState.values),
            user_type=chance.choice([UserType.HUMAN, UserType.HUMAN, UserType.GHOST, UserType.SERVICE_ACCOUNT]),
            locked_at=sometime(chance, -1, -0.001),
            admin=maybe(chance),
            external=maybe(chance),
            email_confirmed=maybe(chance),
            created_at=NOW - timedelta(days=chance.choice([1, 10])),
            terms_accepted=maybe(chance),
            ldap=maybe(chance),
            password=chance.choice(["", "!unusable", "pbkdf2_sha256$usable"]),
            password_expires_at=sometime(chance, -1, 1),
            ssh_keys_disabled=maybe(chance),
            otp_secret=chance.choice([None, "", "JBSWY3DPEHPK3PXP"]),
            last_activity_on=chance.choice([None, NOW.date(), NOW.date() - timedelta(days=2)]),
            kerberos_principal=f"person{number}@EXAMPLE.COM" if maybe(chance) else None,
        )
        users.append(User.objects.get(pk=user.pk))
    return users


def make_groups(chance: random.Random) -> list[Namespace]:
    groups: list[Namespace] = []
    for number in range(7):
        parent = chance.choice([None, *groups])
        group = GroupFactory.create(path=f"Group{number}", parent=parent)
        Namespace.objects.filter(pk=group.pk).update(
            archived=chance.random() < 0.2,
            default_branch_push=chance.choice([None, "developer", "no_one"]),
            developer_can_initial_push=maybe(chance),
            enabled_git_access_protocol=chance.choice(["all", "ssh", "http"]),
            ip_allowlist=chance.choice([[], ["192.0.2.0/24"], ["192.0.2.0/24", "2001:db8::/32"]]),
            enforce_ssh_certificates=maybe(chance),
            over_storage_limit=maybe(chance),
            storage_limit=chance.choice([0, 1000]),
        )
        groups.append(Namespace.objects.get(pk=group.pk))
    return groups


def make_projects(chance: random.Random, places: list[Namespace]) -> list[Project]:
    storages = [StorageFactory.create(), StorageFactory.create(name="second", gitaly_token="a token")]
    projects: list[Project] = []
    for number in range(8):
        name = f"Project{number}"
        # One is called as another one's wiki is.
        beside = projects[-1] if projects and chance.random() < 0.3 else None
        place = beside.namespace if beside else chance.choice(places)
        path = f"{beside.path}.wiki" if beside else name
        project = create_project(path=path, namespace=place, storage=chance.choice(storages))
        Project.objects.filter(pk=project.pk).update(
            visibility=chance.choice(["private", "internal", "public"]),
            archived=chance.random() < 0.2,
            read_only=maybe(chance),
            empty=maybe(chance),
            repository_exists=maybe(chance),
            wiki_exists=maybe(chance),
            repository_access_level=chance.choice(["disabled", "private", "enabled"]),
            wiki_access_level=chance.choice(["disabled", "private", "enabled"]),
            default_branch=chance.choice(["main", "trunk", "dev"]),
            relative_path=chance.choice([None, f"somewhere/{name}.git"]),
            merge_requests_enabled=maybe(chance),
            printing_merge_request_link_enabled=maybe(chance),
        )
        projects.append(Project.objects.get(pk=project.pk))
        if maybe(chance):
            add_redirect(project, f"formerly/{name}")
    return projects


def make_keys(chance: random.Random, users: list[User], projects: list[Project]) -> list[SSHKey]:
    keys = []
    for number in range(8):
        kind = chance.choice(["key", "deploy_key"])
        key = SSHKey.objects.create(
            user=chance.choice(users) if kind == "key" or maybe(chance) else None,
            kind=kind,
            title=f"key {number}",
            key="ssh-ed25519 AAAA",
            key_type=chance.choice(["ssh-ed25519", "ssh-rsa"]),
            bits=chance.choice([256, 1024]),
            fingerprint=f"fingerprint {number}",
            usage_type=chance.choice(["auth", "auth_and_signing", "signing"]),
            expires_at=sometime(chance, -1, 1, 30),
            last_used_at=sometime(chance, -0.1, -2),
        )
        if kind == "deploy_key":
            for project in chance.sample(projects, 3):
                grant_deploy_key(project, key, can_push=maybe(chance))
        keys.append(key)
    return keys


def make_access(chance: random.Random, users: list[User], groups: list[Namespace], projects: list[Project]) -> None:
    for user in users:
        places: list[Namespace | Project] = [*groups, *projects]
        for place in chance.sample(places, 4):
            set_member(place, user, chance.choice(LEVELS))
    for member in Member.objects.all():
        member.state = chance.choice(["active", "active", "active", "awaiting"])
        member.expires_at = chance.choice([None, None, NOW.date() - timedelta(days=2), NOW.date(), NOW.date() + timedelta(days=2)])
        member.save()
    for group in groups:
        others: list[Namespace | Project] = [*(other for other in groups if other != group), *projects]
        for place in chance.sample(others, 2):
            share_with(place, group, chance.choice(LEVELS))


REFS = ("refs/heads/main", "refs/heads/trunk", "refs/heads/topic/1", "refs/tags/v1", "refs/tags/main", "refs/notes/commits")


def make_rules(chance: random.Random, users: list[User], keys: list[SSHKey], groups: list[Namespace], projects: list[Project]) -> None:
    """Rules by name and by pattern, of projects and of groups, with levels of every kind."""
    deploy_keys = [key for key in keys if key.kind == "deploy_key"]
    deploy_keys += [key for key in deploy_keys if key.user_id] * 3

    def level(project: Project, **rule: Any) -> None:
        """Half of the groups are invited here and half of the keys enabled here, or chance would hardly ever let anybody in."""
        group, key = chance.choice(groups), chance.choice(deploy_keys)
        if maybe(chance):
            GroupLink.objects.update_or_create(project=project, group=group, defaults={"access_level": chance.choice([20, 30, 40])})
            set_member(group, chance.choice(users), chance.choice(LEVELS))
            DeployKeyGrant.objects.update_or_create(project=project, key=key, defaults={"can_push": chance.choice([True, True, False])})
        role = chance.choice([0, 30, 40, 60])
        grantees: list[dict[str, Any]] = [{"access_level": role}, {"user": chance.choice(users)}, {"group": group}, {"deploy_key": key}]
        ProtectedRefGrant.objects.create(**rule, **chance.choice(grantees))

    for project in projects:
        for name in chance.sample(["main", "trunk", "topic/*", "*", "elsewhere"], 3):
            source = {"project": project} if maybe(chance) else {"namespace": list(with_ancestors(project.namespace))[-1]}
            branch, _ = ProtectedBranch.objects.get_or_create(**source, name=name, defaults={"allow_force_push": maybe(chance)})
            for _ in range(chance.choice([0, 1, 4, 8])):
                level(project, protected_branch=branch, kind=chance.choice(["push", "merge"]))
        for name in chance.sample(["v1", "v*", "main", "elsewhere"], 2):
            tag = ProtectedTag.objects.create(project=project, name=name)
            for _ in range(chance.choice([0, 1, 4, 8])):
                level(project, protected_tag=tag, kind="create")


def some_push(chance: random.Random) -> tuple[Change, ...]:
    """Nothing, one ref, or several."""
    refs = chance.sample(REFS, chance.choice([0, 0, 1, 1, 3]))
    return tuple(parse_changes("".join(f"{'1' * 40} {'2' * 40} {ref}\n" for ref in refs))) if refs else ()


def paths_of(chance: random.Random, projects: list[Project]) -> list[str]:
    paths = ["nobody/nothing", "nothing"]
    for project in projects:
        path = project.route.path
        paths += [path, path.upper(), f"{path}.wiki", f"{path}.design", f"formerly/{project.path}", f"FORMERLY/{project.path}.wiki"]
    return chance.sample(paths, 25)


def questions(chance: random.Random, users: list[User], keys: list[SSHKey], projects: list[Project]) -> list[tuple[Any, Any]]:
    """Everybody, by each way of naming them, about some of the projects, by each way of naming those."""
    who = [ActorReference(ActorKind.USER, user.pk) for user in users]
    who += [ActorReference(ActorKind.USERNAME, user.username.lower()) for user in users]
    who += [ActorReference(ActorKind.PRINCIPAL, f"person{number}@EXAMPLE.COM") for number in range(len(users))]
    who += [ActorReference(kind, key.pk) for key in keys for kind in (ActorKind.KEY, ActorKind.IDENTIFIED_KEY)]
    who += [ActorReference(ActorKind.USER, 0), ActorReference(ActorKind.KEY, 0), ActorReference(ActorKind.USERNAME, "nobody")]
    what = [ContainerReference(path=path) for path in paths_of(chance, projects)]
    what += [ContainerReference(RepositoryType.PROJECT, project_id=project.pk) for project in projects]
    what.append(ContainerReference(project_id=0))
    return [(one, chance.choice(what)) for one in who for _ in range(3)]


def questions_of_grantees(chance: random.Random) -> list[tuple[Any, Any]]:
    """Those whom a level names by their group or their deploy key, about the project of its rule: by chance they hardly meet."""
    asked: list[tuple[Any, Any]] = []
    for level in ProtectedRefGrant.objects.all():
        rule = level.protected_branch or level.protected_tag
        users = [level.deploy_key.user_id] if level.deploy_key else []
        users += list(Member.objects.filter(namespace=level.group).values_list("user_id", flat=True)) if level.group else []
        if rule is not None and rule.project_id is not None:
            asked += [(ActorReference(ActorKind.USER, user or 0), ContainerReference(project_id=rule.project_id)) for user in users]
    return chance.sample(asked, min(len(asked), 60))


def make_company(chance: random.Random) -> list[tuple[Any, Any]]:
    """Everything of which the statement tells; what is asked then."""
    users = make_users(chance)
    groups = make_groups(chance)
    projects = make_projects(chance, [*groups, users[0].namespace])
    keys = make_keys(chance, users, projects)
    make_access(chance, users, groups, projects)
    make_rules(chance, users, keys, groups, projects)
    return questions(chance, users, keys, projects) + questions_of_grantees(chance)


def same_facts(facts: Facts, expected: Known, asked: str) -> None:
    assert facts.actor == expected.actor, asked
    assert facts.project == expected.project, asked
    storage = facts.storage
    stored = None if storage is None else (storage.name, storage.address, storage.token, storage.relative_path)
    assert stored == expected.storage, asked
    old = (facts.actor.key is not None and facts.key_use_is_old, facts.actor.user is not None and facts.activity_is_old)
    assert old == (expected.key_use_is_old, expected.activity_is_old), asked
    assert {*facts.protection.branches} == {*expected.protection.branches}, asked
    assert {*facts.protection.tags} == {*expected.protection.tags}, asked


def ways(protection: Protection) -> Iterator[str]:
    """In which ways the rules let the acting user in."""
    grants = [given for rule in protection.branches for given in (rule.push, rule.merge)] + [rule.create for rule in protection.tags]
    for given in grants:
        names = [name for name in ("roles", "user", "group", "deploy_key") if getattr(given, name)]
        yield from names or ["nobody"]


@pytest.mark.django_db
@pytest.mark.parametrize("seed", [0, 4])  # companies in which every way in is met, as the last lines hold
def test_the_statement_finds_what_the_models_tell(seed: int) -> None:
    """Contract: allowed 2, 3, 5.5, 9. Another seed is another company."""
    chance = random.Random(seed)  # noqa: S311  for chance, not for secrets
    settings = InstanceSettings.current()
    settings.email_confirmation = chance.choice(["off", "soft", "hard"])
    settings.default_branch_push = chance.choice(["developer", "maintainer"])
    settings.allowed_key_types = chance.choice([[], ["ssh-ed25519"]])
    settings.save()
    asked = make_company(chance)
    gather(ActorReference(ActorKind.USER, 0), ContainerReference(project_id=0))  # the instance's settings are remembered from now on
    projects = roles = 0
    granted: Counter[str] = Counter()
    for who, what in asked:
        pushed = some_push(chance)
        with at_most(2):
            facts = gather(who, what, pushed)
        expected, former = known(who, what, pushed, settings, timezone.now())
        same_facts(facts, expected, f"seed {seed}: {who} asks for {what} and pushes {pushed}")
        assert facts.redirected_path == (what.path if former else None)
        projects += facts.project is not None
        roles += bool(facts.actor.user and facts.actor.user.role)
        granted.update(ways(facts.protection))
    assert projects > 30, "the company is large enough to prove something"
    assert roles > 10, "and its people work in it"
    assert {"roles", "user", "group", "deploy_key", "nobody"} <= {*granted}, "whom protected refs let in, in every way there is"


@pytest.mark.parametrize("vendor", ["postgresql", "sqlite"])
@pytest.mark.parametrize("actor", ActorKind)
def test_psycopg_remembers_the_statements_that_are_asked_all_the_time(actor: ActorKind, vendor: str) -> None:
    """It parses a longer text anew for every call, which would cost 500 Python calls."""
    asked = [(container, RulesKind.NONE) for container in ContainerKind]
    if actor is not ActorKind.IDENTIFIED_KEY:  # of pushes that have happened, whose rules nobody reads
        asked += [(container, RulesKind.BRANCHES) for container in (ContainerKind.ID, ContainerKind.PATH)]
    longest = max(len(facts_sql(actor, container, rules, vendor).encode()) for container, rules in asked)
    assert longest <= MAX_CACHED_STATEMENT_LENGTH
