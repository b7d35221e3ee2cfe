"""Who can reach a project, and why; held against what decisions are made from."""

from datetime import date

from accounts.models import User
from repositories.models import Namespace, Project
from repositories.selectors.reach import who_reaches
from repositories.selectors.roles import roles_in_projects
from repositories.services.access import set_member, share_with
from tests.factories import GroupFactory, ProjectFactory, UserFactory
from tests.statements import at_most


def test_every_way_in_is_told(acme: Namespace) -> None:
    people = {name: UserFactory.create(username=name) for name in ("ann", "bob", "carol", "dan", "erin", "frank", "gone", "waiting")}
    tools = GroupFactory.create(path="tools", parent=acme)
    project = ProjectFactory.create(namespace=tools)
    set_member(project, people["ann"], 30)
    set_member(acme, people["ann"], 50)
    set_member(tools, people["bob"], 20)
    guests, inner = GroupFactory.create(path="guests"), None
    inner = GroupFactory.create(path="inner", parent=guests)
    set_member(guests, people["carol"], 50)
    set_member(inner, people["dan"], 10)
    share_with(project, inner, 30)
    partners = GroupFactory.create(path="partners")
    set_member(partners, people["erin"], 40)
    share_with(acme, partners, 30)
    set_member(project, people["gone"], 30, expires_at=date(2020, 1, 1))
    set_member(project, people["waiting"], 30, state="awaiting")
    with at_most(11):
        found = [(reach.username, reach.role, reach.source) for reach in who_reaches(Project.objects.get(pk=project.pk))]
    assert found == [
        ("ann", "Owner", "member of acme"),
        ("ann", "Developer", "member of the project"),
        ("bob", "Reporter", "member of acme/tools"),
        ("carol", "Developer", "member of guests/inner, which is invited"),
        ("dan", "Guest", "member of guests/inner, which is invited"),
        ("erin", "Developer", "member of partners, which is invited"),
    ]
    highest = {name: max(reach.level for reach in who_reaches(project) if reach.username == name) for name, _, _ in found}
    assert highest == {name: roles_in_projects(user.pk, [project.pk])[project.pk] for name, user in people.items() if name in highest}
    assert all(not roles_in_projects(people[name].pk, [project.pk]) for name in ("frank", "gone", "waiting"))


def test_a_persons_own_project(ann: User) -> None:
    project = ProjectFactory.create(namespace=ann.namespace)
    assert [(reach.username, reach.role, reach.source) for reach in who_reaches(project)] == [("ann", "Owner", "owner of the namespace")]
