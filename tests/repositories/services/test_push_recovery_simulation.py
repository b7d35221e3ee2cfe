"""What events say after pushes whose reports were lost, late or doubled, against what a model of Git did.

Contract: decisions 16a and 16b. Pushes name where their refs stand, so what happened follows from where the refs stand in the
end, however many reports are lost and whenever Gitaly is asked. `RECOVERY_SEEDS=0:5000` tries others.
"""

import os
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.selectors.actors import ActorKind, ActorReference
from internal_api.shared_store import SharedStore
from repositories.models import PendingPush, Project, PushEvent
from repositories.policy import Change
from repositories.selectors.facts import Facts, container_reference, gather
from repositories.services import push_recovery
from repositories.services.access import set_member
from repositories.services.pending_pushes import note_push
from repositories.services.push_recovery import recover_pushes
from repositories.services.pushes import Push, record
from tests.factories import UserFactory

ZEROS = "0" * 40
REVISIONS = [ZEROS, "a" * 40, "b" * 40, "c" * 40]
REFS = ["refs/heads/one", "refs/heads/two", "refs/tags/three"]
FIRST, LAST = map(int, os.environ.get("RECOVERY_SEEDS", "0:40").split(":"))


@dataclass
class Running:
    """A push that has not moved all its refs, or whose report has not arrived; `report` is how that comes."""

    facts: Facts
    request_id: str
    waiting: list[Change]
    report: str
    moved: list[Change] = field(default_factory=list)


class World:
    """Git, its refs and its pushes, and Gitaly's answer to where the refs stand."""

    def __init__(self, seed: int, facts: list[Facts]) -> None:
        self.random = random.Random(seed)  # noqa: S311  a repeatable sequence
        self.facts = facts
        self.refs = dict.fromkeys(REFS, ZEROS)
        self.happened: Counter[Change] = Counter()
        self.running: list[Running] = []
        self.number = 0
        self.connections = self.random.random() < 0.5
        """Whether the pushes of one user have one X-Request-Id, as those over one connection.

        Nothing is refused then: a report could be about any of them that have a change in common.
        """

    def ref_targets(self, _: object, refs: Iterable[str], *, seconds: float) -> dict[str, str]:
        return {ref: self.refs[ref] for ref in refs if self.refs[ref] != ZEROS}

    def step(self) -> None:
        """Something happens."""
        match self.random.choices(["push", "go on", "sweep"], [6, 3, 3])[0]:
            case "push":
                self.push()
            case "go on":
                self.go_on()
            case _:
                self.sweep(0.6)

    def push(self) -> None:
        """A push begins, of refs that no other push is about to move. Some move at once."""
        busy = {change.ref for each in self.running for change in each.waiting}
        free = [ref for ref in REFS if ref not in busy]
        refs = self.random.sample(free, min(len(free), self.random.choice([1, 1, 2, 3])))
        changes = []
        for ref in refs:
            new = self.random.choice([each for each in REVISIONS if each != self.refs[ref]])
            changes.append(Change(self.refs[ref], new, ref))
        if not changes:
            return
        self.number += 1
        self.tell_once(refs)
        facts = self.random.choice(self.facts)
        request_id = f"user-{self.facts.index(facts)}" if self.connections else str(self.number)
        note_push(facts, request_id, changes)
        fates = ["at once", "at once", "lost", "lost", *([] if self.connections else ["late", "twice"])]
        push = Running(facts, request_id, changes, self.random.choice(fates))
        self.running.append(push)
        is_slow = self.random.random() < 0.3
        self.move(push, self.random.randrange(len(changes)) if is_slow else len(changes))

    def tell_once(self, refs: Iterable[str]) -> None:
        """Repeat no report of these refs: after a later push of them it would be one of a push of its own."""
        for push in [each for each in self.running if each.report == "twice"]:
            if any(change.ref in refs for change in push.moved):
                push.report = "at once"
                if not push.waiting:
                    self.running.remove(push)

    def move(self, push: Running, number: int) -> None:
        """The hooks of some refs have ended, and most allow it. Having moved all, the push is reported."""
        for _ in range(number):
            change = push.waiting.pop(0)
            if self.connections or self.random.random() < 0.85:
                self.refs[change.ref] = change.newrev
                self.happened[change] += 1
                push.moved.append(change)
        if not push.waiting and push.report in ("at once", "twice"):
            self.tell(push)
        if not push.waiting and push.report in ("at once", "lost"):
            self.running.remove(push)

    def tell(self, push: Running) -> None:
        """The report arrives; Git runs no post-receive hook for a push that moved nothing."""
        if push.moved:
            record(Push(push.facts, "user-1", push.moved, {}, {}, push.request_id), dict)

    def go_on(self) -> None:
        """A push under way comes further, or its report arrives."""
        if not self.running:
            return
        push = self.random.choice(self.running)
        if push.waiting:
            self.move(push, self.random.randint(1, len(push.waiting)))
        else:
            self.tell(push)
            self.running.remove(push)

    def sweep(self, chance: float) -> None:
        """Some pushes are due, and a worker looks at them."""
        now = timezone.now()
        notes = PendingPush.objects.order_by("pk").values_list("pk", flat=True)
        due = [pk for pk in notes if self.random.random() < chance]
        PendingPush.objects.update(due_at=now + timedelta(hours=1))
        PendingPush.objects.filter(pk__in=due).update(due_at=now)
        recover_pushes(now)


@pytest.fixture
def facts(ann: User, rockets: Project) -> list[Facts]:
    bob = UserFactory.create(username="bob")
    for user in (ann, bob):
        set_member(rockets, user, 40)
    return [gather(ActorReference(ActorKind.USER, user.pk), container_reference(f"project-{rockets.pk}", None)) for user in (ann, bob)]


@pytest.mark.django_db
def test_events_tell_exactly_the_moves_that_git_made(facts: list[Facts], store: SharedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {}
    for seed in range(FIRST, LAST):
        world = World(seed, facts)
        monkeypatch.setattr(push_recovery, "client_of", lambda _, world=world: world)
        with transaction.atomic():
            for _ in range(14):
                world.step()
            while world.running:
                world.go_on()
            world.sweep(1)
            world.sweep(1)
            told = Counter(Change(*line) for changes in PushEvent.objects.values_list("changes", flat=True) for line in changes)
            if told != world.happened:
                wrong[seed] = (world.happened - told, told - world.happened)
            transaction.set_rollback(True)
    assert not wrong, f"{len(wrong)} of {LAST - FIRST} differ (missing, made up): {wrong}"
