"""Every change of an audited row is an event, whatever changed it; what is no configuration is none."""

from datetime import date
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import DatabaseError, models, transaction
from django.db.models import F
from django.test import Client
from django.utils import timezone

from accounts.models import PersonalAccessToken, SSHKey, User
from accounts.services.personal_access_tokens import create_token
from internal_api.acting import Actor, ActorKind, Identity, acting, current_actor
from internal_api.masking import masked
from internal_api.models import Audited, AuditedQuerySet, AuditEvent, InstanceSettings
from repositories.models import Member, Namespace, Project, Storage, Webhook
from repositories.services.access import set_member
from repositories.services.projects import move_project
from tests.factories import GroupFactory, SSHKeyFactory, UserFactory

NOT_AUDITED = {
    "internal_api.AuditEvent": "the log itself",
    "internal_api.LastCall": "when callers were last seen",
    "internal_api.RefusedPeer": "counted refusals",
    "internal_api.SharedValue": "values that expire",
    "internal_api.TaskWorker": "workers that are alive",
    "accounts.RecoveryCode": "recovery_codes_generated and recovery_code_used tell of them",
    "repositories.NamespaceLineage": "follows from namespaces' parents",
    "repositories.Route": "follows from the paths of namespaces and projects",
    "repositories.PushEvent": "what was pushed, a log of its own",
    "repositories.PendingPush": "what is being pushed",
    "repositories.Refusal": "what was refused, a log of its own",
    "repositories.LFSObject": "contents that Git LFS has uploaded, not a setting",
    "repositories.LFSObjectLink": "which projects have such contents",
    "repositories.DeliveryLane": "the queue of deliveries",
    "repositories.WebhookDelivery": "what was delivered, a log of its own; webhook_delivery_retried tells of retries",
    "scim.GroupMembership": "scim_group_members_added and scim_group_members_removed name them all",
    "scim.Scope": "a counter of identities",
    "kubernetes_agent.AgentEvent": "what happened to agents, a log of its own",
    "kubernetes_agent.AgentAuthorization": "agent_configured tells of them, all of a file at once",
    "kubernetes_agent.UsageCounter": "what kas has counted",
    "kubernetes_agent.UniqueUse": "what kas has counted",
    "kubernetes_agent.Scanner": "what agents reported",
    "kubernetes_agent.Identifier": "what agents reported",
    "kubernetes_agent.Vulnerability": "what agents reported",
    "kubernetes_agent.StateTransition": "what agents reported",
    "kubernetes_agent.DetectionTransition": "what agents reported",
    "kubernetes_agent.Vulnerability_identifiers": "what agents reported",
}
OURS = {"internal_api", "accounts", "repositories", "kubernetes_agent", "scim", "storage_limits"}
MODELS = [model for model in apps.get_models(include_auto_created=True) if model._meta.app_label in OURS]  # noqa: SLF001  Django's public name for it


@pytest.fixture
def events(db: None) -> Any:
    """The actions since this fixture was made, or since it was last asked."""
    seen = {"last": AuditEvent.objects.count() and AuditEvent.objects.latest("pk").pk}

    def new() -> list[AuditEvent]:
        found = list(AuditEvent.objects.filter(pk__gt=seen["last"]).order_by("pk"))
        seen["last"] = found[-1].pk if found else seen["last"]
        return found

    return new


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_model_is_audited_or_says_why_not(model: type[models.Model]) -> None:
    label = model._meta.label  # noqa: SLF001  Django's public name for it
    assert issubclass(model, Audited) is not (label in NOT_AUDITED)
    if issubclass(model, Audited):
        assert isinstance(model._default_manager.all(), AuditedQuerySet)  # noqa: SLF001  the manager that relations use
        names = {field.name for field in model._meta.concrete_fields}  # noqa: SLF001  as above
        assert model.audit_ignored | model.audit_state | model.audit_accompanying <= names


def test_created_changed_and_removed(ann: User, rockets: Project, events: Any) -> None:
    events()
    set_member(rockets, ann, 30)
    set_member(rockets, ann, 30)
    set_member(rockets, ann, 40, expires_at=date(2030, 1, 31))
    row = Member.objects.get()
    row.delete()
    told = events()
    assert [(event.action, event.entity_type, event.entity_path) for event in told] == [
        (f"member_{verb}", "Member", "acme/rockets: ann") for verb in ("created", "changed", "removed")
    ]
    assert told[0].changes["user"] == {"before": None, "after": {"id": ann.pk, "name": "ann"}}
    assert told[1].changes == {
        "access_level": {"before": 30, "after": 40},
        "expires_at": {"before": None, "after": "2030-01-31"},
    }
    assert told[2].changes["access_level"] == {"before": 40, "after": None}
    assert len({event.entity_id for event in told}) == 1


def test_many_rows_at_once(ann: User, acme: Namespace, events: Any) -> None:
    bob = UserFactory.create(username="bob")
    events()
    Member.objects.bulk_create(Member(user=user, namespace=acme, access_level=20) for user in (ann, bob))
    assert [event.entity_path for event in events()] == ["acme: ann", "acme: bob"]
    assert Member.objects.filter(user=ann).update(access_level=F("access_level") + 10) == 1
    assert Member.objects.update(access_level=30) == 2
    assert [(event.entity_path, event.changes["access_level"]) for event in events()] == [
        ("acme: ann", {"before": 20, "after": 30}),
        ("acme: bob", {"before": 20, "after": 30}),
    ]
    rows = list(Member.objects.order_by("pk"))
    rows[0].access_level = 40
    Member.objects.bulk_update(rows, ["access_level"])
    assert [event.entity_path for event in events()] == ["acme: ann"]
    assert acme.members.all().delete()[0] == 2
    assert [event.action for event in events()] == ["member_removed"] * 2
    with pytest.raises(TypeError, match="which of the rows are new"):
        Member.objects.bulk_create([Member(user=ann, namespace=acme, access_level=20)], ignore_conflicts=True)


def test_what_goes_along_with_a_row_is_counted(ann: User, rockets: Project, events: Any) -> None:
    SSHKeyFactory.create(user=ann)
    set_member(rockets, ann, 30)
    events()
    ann.delete()
    (event,) = events()
    assert (event.action, event.entity_path) == ("user_removed", "ann")
    assert event.details["also_removed"] == {"Member": 1, "Namespace": 1, "NamespaceLineage": 1, "Route": 1, "SSHKey": 1}


def test_bookkeeping_is_no_event(ann: User, rockets: Project, events: Any, django_assert_num_queries: Any) -> None:
    key = SSHKeyFactory.create(user=ann)
    hook = Webhook.objects.create(project=rockets, url="https://ci.example.com/hook")
    events()
    with django_assert_num_queries(5):
        SSHKey.objects.filter(pk=key.pk).update(last_used_at=timezone.now())
        User.objects.filter(pk=ann.pk).update(last_activity_on=timezone.now().date())
        Project.objects.filter(pk=rockets.pk).update(size_is_due=True, empty=True)
        hook.failures = 3
        hook.save(update_fields=["failures"])
        ann.save(update_fields=["last_login"])
    assert events() == []


def test_the_state_of_a_repository_is_told_of_operators_only(rockets: Project, events: Any) -> None:
    events()
    rockets.storage_size = 5
    rockets.save(update_fields=["storage_size"])
    assert events() == []
    rockets.storage_size = 6
    with acting(Actor(Identity(ActorKind.COMMAND))):
        rockets.save(update_fields=["storage_size"])
    assert [event.changes for event in events()] == [{"storage_size": {"before": 5, "after": 6}}]


def test_a_change_that_is_rolled_back_leaves_no_event(ann: User, acme: Namespace, events: Any) -> None:
    events()

    def twice() -> None:
        with transaction.atomic():
            set_member(acme, ann, 30)
            Member.objects.create(user=ann, namespace=acme, access_level=20)

    with pytest.raises(DatabaseError):
        twice()
    assert (Member.objects.count(), events()) == (0, [])


def test_an_event_that_cannot_be_written_undoes_its_change(ann: User, acme: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr(AuditEvent, "save", fails)
    with pytest.raises(DatabaseError, match="disk full"):
        set_member(acme, ann, 30)
    assert not Member.objects.exists()


def test_secrets_are_masked(ann: User, events: Any) -> None:
    events()
    storage = Storage.objects.create(name="s", gitaly_token="gitaly secret")
    storage.gitaly_token = "another secret"
    storage.save()
    _, clear = create_token(user=ann, name="ci", scopes=["api"], expires_at=None)
    ann.set_password("correct horse battery")
    ann.save()
    url = "https://ann:hunter2@ci.example.com/hook?token=hunter2&x=hunter2#top"
    Webhook.objects.create(instance=True, url=url, token="hook secret")
    settings = InstanceSettings.current()
    settings.feature_flags = {"password": "hunter2", "deep": {"api_token": "hunter2", "seen": "glpat-abcdefghijklmnop"}}
    settings.save()
    told = events()
    text = str([(event.changes, event.details, event.entity_path) for event in told])
    for secret in ("gitaly secret", "another secret", clear, "correct horse", "hunter2", "hook secret", "pbkdf2", "md5$", "glpat-"):
        assert secret not in text
    assert told[1].changes == {"gitaly_token": {"before": "[masked]", "after": "[masked]"}}
    assert told[3].changes == {"password": {"before": "[masked]", "after": "[masked]"}}
    assert told[4].changes["url"]["after"] == "https://[masked]@ci.example.com/hook?token=[masked]&x=[masked]#top"


def test_long_values_are_cut_short() -> None:
    assert masked("x" * 3000) == "x" * 2000 + "... (3000 characters)"
    assert len(masked(list(range(1000)))) == 100


def test_events_are_never_changed(db: None) -> None:
    event = AuditEvent.objects.create(action="x")
    with pytest.raises(TypeError, match="never changed"):
        event.save()


def test_a_move_tells_both_places(rockets: Project, events: Any) -> None:
    other = GroupFactory.create(path="other")
    events()
    move_project(rockets, other, "boats")
    moved, redirect = events()
    assert (moved.action, moved.entity_path) == ("project_changed", "other/boats")
    assert moved.changes["namespace"]["before"]["name"] == "acme"
    assert moved.changes["namespace"]["after"]["name"] == "other"
    assert (redirect.action, redirect.entity_path) == ("redirect_route_created", "acme/rockets")


def test_commands_tell_who_ran_them(ann: User, events: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "olga")
    monkeypatch.setenv("SSH_CONNECTION", "198.51.100.9 50000 10.0.0.1 22")
    events()
    call_command("block_user", "ann", verbosity=0)
    (event,) = events()
    assert (event.action, event.actor_kind, event.operation) == ("user_blocked", "command", "block_user")
    assert event.credential.startswith("OS user ")
    assert event.credential.endswith(", sudo by olga")
    assert event.ip_address == "198.51.100.9"
    assert event.correlation_id
    assert event.changes["state"] == {"before": "active", "after": "blocked"}
    assert current_actor().identity.kind == ActorKind.SYSTEM


def test_what_an_ssh_session_came_from_must_be_an_address(ann: User, events: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "nonsense")
    events()
    call_command("block_user", "ann", verbosity=0)
    assert [event.ip_address for event in events()] == [""]


def test_the_clients_address_is_told_behind_a_proxy(ann: User, acme: Namespace, events: Any) -> None:
    """The proxy's own address, which is trusted, is passed over; what the client claims further left too."""
    User.objects.filter(pk=ann.pk).update(admin=True)
    _, clear = create_token(user=ann, name="ci", scopes=["api"], expires_at=None)
    events()
    path = f"/api/v4/namespaces/{acme.pk}/storage/limit_exclusion"
    headers = {"private-token": clear, "x-forwarded-for": "203.0.113.1, 198.51.100.7"}
    answer = Client(headers=headers).post(path, {"reason": "x"}, "application/json")
    assert answer.status_code == 201
    (event,) = events()
    assert (event.ip_address, event.actor_kind, event.author_id, event.author_name) == ("198.51.100.7", "token", ann.pk, "ann")
    assert (event.operation, event.correlation_id) == (f"POST {path}", answer["X-Request-Id"])
    assert event.credential == f"personal access token {PersonalAccessToken.objects.get().pk} (ci)"
