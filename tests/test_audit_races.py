"""Changes of one row at the same time, with real threads on PostgreSQL: each event says what was there just before."""

from copy import copy

import pytest

from internal_api.models import AuditEvent
from repositories.models import Member
from repositories.services.access import set_member
from tests.factories import GroupFactory, UserFactory
from tests.test_races import at_once

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]
LEVELS = [5, 10, 15, 20, 25, 40]


@pytest.fixture
def member(transactional_db: None) -> Member:
    set_member(GroupFactory.create(path="acme"), UserFactory.create(username="ann"), 50)
    return Member.objects.get()


def changes() -> list[tuple[int, int]]:
    events = AuditEvent.objects.filter(action="member_changed").order_by("pk")
    return [(event.changes["access_level"]["before"], event.changes["access_level"]["after"]) for event in events]


@pytest.mark.parametrize("way", ["save", "update"])
def test_changes_at_once_go_on_from_each_other(member: Member, way: str) -> None:
    def step(number: int) -> None:
        if way == "update":
            Member.objects.filter(pk=member.pk).update(access_level=LEVELS[number])
            return
        row = copy(member)
        row.access_level = LEVELS[number]
        row.save()

    at_once(step)
    told = changes()
    assert sorted(after for _, after in told) == LEVELS
    assert [before for before, _ in told] == [50, *[after for _, after in told[:-1]]]
    assert told[-1][1] == Member.objects.get().access_level


@pytest.mark.parametrize("way", ["row", "rows"])
def test_a_row_that_is_deleted_by_many_at_once_has_one_event(member: Member, way: str) -> None:
    def step(number: int) -> int:
        if way == "rows":
            return Member.objects.filter(pk=member.pk).delete()[0]
        return copy(member).delete()[0]

    assert sorted(at_once(step)) == [0, 0, 0, 0, 0, 1]
    assert AuditEvent.objects.filter(action="member_removed").count() == 1
