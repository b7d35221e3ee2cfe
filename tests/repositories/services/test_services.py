"""Making namespaces and projects, giving and taking access."""

from collections.abc import Callable

import pytest
from django.db import IntegrityError, transaction

from accounts.models import User
from repositories.errors import InvalidAccessError, InvalidNamespaceError, InvalidProjectError
from repositories.models import GroupLink, Member, Namespace, NamespaceLineage, Project, RedirectRoute, Route, Storage
from repositories.services.access import (
    grant_deploy_key,
    remove_member,
    set_member,
    share_with,
    unshare_with,
    withdraw_deploy_key,
)
from repositories.services.namespaces import create_group
from repositories.services.projects import add_redirect, create_project
from tests.factories import DeployKeyFactory, GroupFactory, ProjectFactory, SSHKeyFactory, StorageFactory


def test_a_group_knows_its_root_and_all_above_it(acme: Namespace) -> None:
    tools = create_group(path="tools", parent=acme)
    inner = create_group(path="inner", parent=tools)
    assert inner.route.path == "acme/tools/inner"
    assert inner.root == acme
    assert {(row.ancestor, row.depth) for row in NamespaceLineage.objects.filter(namespace=inner)} == {(inner, 0), (tools, 1), (acme, 2)}


@pytest.mark.parametrize("path", ["admin", "API", "-x", "x.", "x.git", "x.atom", "a b", "", "a/b", "x" * 256])
def test_a_path_that_cannot_be_a_groups(db: None, path: str) -> None:
    with pytest.raises(InvalidNamespaceError):
        create_group(path=path)
    assert not Namespace.objects.exists()


def test_a_subgroup_may_be_called_what_a_top_level_group_may_not(acme: Namespace) -> None:
    assert create_group(path="admin", parent=acme).route.path == "acme/admin"


def test_a_path_is_taken_in_any_letter_case(acme: Namespace, rockets: Project) -> None:
    with pytest.raises(InvalidNamespaceError, match="is taken"):
        create_group(path="ACME")
    with pytest.raises(InvalidNamespaceError, match="is taken"):
        create_group(path="Rockets", parent=acme)
    with pytest.raises(InvalidProjectError, match="is taken"):
        create_project(path="ROCKETS", namespace=acme)
    assert Route.objects.count() == 2


def test_a_users_namespace_holds_projects_but_no_groups(ann: User) -> None:
    StorageFactory.create()
    assert create_project(path="notes", namespace=ann.namespace).route.path == "ann/notes"
    with pytest.raises(InvalidNamespaceError):
        create_group(path="tools", parent=ann.namespace)


@pytest.mark.parametrize("path", ["wikis", "tree", "-", "x.git", "a/b", ""])
def test_a_path_that_cannot_be_a_projects(acme: Namespace, path: str) -> None:
    StorageFactory.create()
    with pytest.raises(InvalidProjectError):
        create_project(path=path, namespace=acme)
    assert not Project.objects.exists()


def test_a_project_goes_to_the_storage_called_default_or_to_the_one_there_is(acme: Namespace) -> None:
    assert create_project(path="first", namespace=acme).storage.name == "default"
    Storage.objects.update(name="other")
    assert create_project(path="second", namespace=acme).storage.name == "other"


def test_a_former_path_leads_to_one_project(acme: Namespace, rockets: Project) -> None:
    assert [add_redirect(rockets, "old/place"), add_redirect(rockets, "OLD/place")] == [True, False]
    other = ProjectFactory.create(path="other", namespace=acme)
    with pytest.raises(InvalidProjectError, match="leads to another project"):
        add_redirect(other, "old/place")
    add_redirect(rockets, "acme/next")
    create_project(path="next", namespace=acme)
    assert [redirect.path for redirect in RedirectRoute.objects.all()] == ["old/place"]


@pytest.mark.parametrize("kind", ["group", "project"])
def test_members_come_change_and_go(rockets: Project, ann: User, kind: str) -> None:
    place = rockets if kind == "project" else rockets.namespace
    assert [set_member(place, ann, 30), set_member(place, ann, 30), set_member(place, ann, 40)] == [True, False, True]
    assert Member.objects.get().access_level == 40
    assert [remove_member(place, ann), remove_member(place, ann)] == [True, False]
    with pytest.raises(InvalidAccessError):
        set_member(place, ann, 31)


def test_a_users_own_namespace_has_no_members(ann: User) -> None:
    with pytest.raises(InvalidAccessError):
        set_member(ann.namespace, ann, 30)


def test_groups_are_invited_and_uninvited(rockets: Project, ann: User) -> None:
    guests = GroupFactory.create(path="guests")
    for place in (rockets, rockets.namespace):
        assert [share_with(place, guests, 20), share_with(place, guests, 20), share_with(place, guests, 30)] == [True, False, True]
        assert [unshare_with(place, guests), unshare_with(place, guests)] == [True, False]
    assert not GroupLink.objects.exists()
    for group, level in [(ann.namespace, 20), (rockets.namespace, 20), (guests, 99)]:
        with pytest.raises(InvalidAccessError):
            share_with(rockets.namespace, group, level)


def test_deploy_keys_are_enabled_and_disabled(rockets: Project, ann: User) -> None:
    key = DeployKeyFactory.create()
    outcomes = [grant_deploy_key(rockets, key, can_push=can_push) for can_push in (False, False, True)]
    assert outcomes == [True, False, True]
    assert [withdraw_deploy_key(rockets, key), withdraw_deploy_key(rockets, key)] == [True, False]
    with pytest.raises(InvalidAccessError):
        grant_deploy_key(rockets, SSHKeyFactory.create(user=ann), can_push=True)


def test_the_database_keeps_what_services_promise(rockets: Project, ann: User) -> None:
    """Constraints behind the invariants, whoever writes."""
    acme = rockets.namespace
    wrong: list[Callable[[], object]] = [
        lambda: Member.objects.create(user=ann, access_level=30),
        lambda: Member.objects.create(user=ann, access_level=30, project=rockets, namespace=acme),
        lambda: Member.objects.create(user=ann, access_level=31, project=rockets),
        lambda: GroupLink.objects.create(group=acme, access_level=30),
        lambda: Route.objects.create(path="x"),
        lambda: Namespace.objects.create(kind="user", path="x", name="x"),
        lambda: Namespace.objects.create(kind="group", path="x", name="x", owner=ann),
        lambda: Namespace.objects.filter(pk=acme.pk).update(parent=acme),
        lambda: Project.objects.filter(pk=rockets.pk).update(visibility="secret"),
        lambda: Project.objects.filter(pk=rockets.pk).update(storage_size=-1),
        lambda: User.objects.filter(pk=ann.pk).update(state="asleep"),
    ]
    for write in wrong:
        with pytest.raises(IntegrityError), transaction.atomic():
            write()
