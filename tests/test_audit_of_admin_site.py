"""Every form and action of the admin site leaves events that say who changed what; forms that are refused leave none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.models import PersonalAccessToken, User
from internal_api.models import AuditEvent, InstanceSettings
from kubernetes_agent.models import Agent, AgentToken, SecurityPolicy
from repositories.models import (
    ErrorTrackingKey,
    GroupSSHCertificate,
    Namespace,
    Project,
    ProtectedBranch,
    ProtectedTag,
    Storage,
    Webhook,
    WebhookDelivery,
)
from scim.models import SamlGroupLink, SamlProvider
from storage_limits.models import LimitExclusion
from tests.audit_log import held_against_the_rows
from tests.factories import AgentFactory, GroupFactory, UserFactory
from tests.gitaly_server import running
from tests.test_admin_site import MODELS, administrator, company, root  # noqa: F401  fixtures

SITES = {model: admin.site._registry[model] for model in MODELS}  # noqa: SLF001  Django has no other list of them
FROM: Any = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.1, 198.51.100.7"}
"""A client behind a trusted proxy, which claims to be somebody else."""


def named(model: Any, page: str) -> str:
    return f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"  # noqa: SLF001  Django's public name for it


def asked_by(user: User) -> Any:
    request = RequestFactory().get("/")
    request.user = user
    return request


def values_of(page: Any) -> dict[str, Any]:
    """What a browser would send back of a page's form and its inlines."""
    sent: dict[str, Any] = {}
    forms = [page.context["adminform"].form]
    for inline in page.context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.initial_forms]
    for form in forms:
        for name, field in form.fields.items():
            value = form[name].value()
            if value is not None and value is not False and value not in ("", []) and not field.disabled:
                sent[form.add_prefix(name)] = getattr(value, "pk", value)
    for name, value in list(sent.items()):
        if hasattr(value, "isoformat"):  # a time has two boxes
            del sent[name]
            sent |= (
                {f"{name}_0": value.date().isoformat(), f"{name}_1": value.time().isoformat()} if hasattr(value, "hour") else {name: value}
            )
    return sent


@pytest.fixture
def gitaly(tmp_path: Path, company: dict[Any, Any]) -> Iterator[None]:  # noqa: F811  the fixture
    """A Gitaly for the actions and the deletions that reach it."""
    with running(tmp_path / "storages", token="the gitaly token") as server:
        Storage.objects.update(gitaly_address=server.address)
        yield


def told_by_root(told: Any, root: User, path: str) -> None:  # noqa: F811  the fixture
    for event in told.events:
        assert (event.actor_kind, event.author_id, event.author_name) == ("administrator", root.pk, "root")
        assert (event.ip_address, event.operation, event.credential) == ("198.51.100.7", f"POST {path}", "session")
    assert len({event.correlation_id for event in told.events}) == bool(told.events)


ADD: dict[Any, dict[str, Any]] = {
    Storage: {"name": "second", "gitaly_address": "unix:/run/second.socket"},
    ProtectedBranch: {
        "name": "release/*", "project": Project, "grants-TOTAL_FORMS": 1, "grants-INITIAL_FORMS": 0,
        "grants-0-kind": "push", "grants-0-access_level": 40,
    },
    ProtectedTag: {"name": "w*", "project": Project, "grants-TOTAL_FORMS": 0, "grants-INITIAL_FORMS": 0},
    ErrorTrackingKey: {"project": Project, "public_key": "another", "active": "on"},
    Webhook: {"project": Project, "url": "https://ci.example.com/new?key=hunter2", "token": "the new webhook token", "active": "on"},
    SecurityPolicy: {"project": Project, "name": "weekly", "yaml": "actions: []", "updated_at_0": "2030-01-01", "updated_at_1": "00:00"},
    SamlProvider: {"group": "other", "enabled": "on", "default_role": 10},
    SamlGroupLink: {"group": "other", "name": "Managers", "access_level": 40},
    LimitExclusion: {"namespace": "other", "reason": "because"},
}  # fmt: skip
"""What is sent to the form that adds a row; a model stands for the company's row, "other" for another group."""

CHANGE: dict[Any, dict[str, Any]] = {
    User: {"name": "Ann Other", "admin": "on"},
    InstanceSettings: {"read_only": "on", "read_only_message": "hunting"},
    Storage: {"gitaly_address": "unix:/run/other.socket"},
    Namespace: {"visibility": "public"},
    Project: {"description": "Fast.", "members-0-access_level": 40},
    ProtectedBranch: {"allow_force_push": "on"},
    ProtectedTag: {"name": "u*"},
    GroupSSHCertificate: {"title": "CA 2"},
    ErrorTrackingKey: {"public_key": "changed"},
    Webhook: {"token": "the new webhook token", "url": "https://ci.example.com/changed"},
    SecurityPolicy: {"yaml": "rules: []"},
    SamlProvider: {"default_role": 20},
    SamlGroupLink: {"access_level": 20},
    LimitExclusion: {"reason": "another"},
    Agent: {"created_by": ""},
    PersonalAccessToken: {"revoked": "on"},
}
"""What is changed in the form of a row; what is not named here has a title."""


def _sent(fields: dict[str, Any], company: dict[Any, Any], other: Namespace) -> dict[str, Any]:  # noqa: F811  the fixture's value
    return {name: other.pk if value == "other" else company[value].pk if value in company else value for name, value in fields.items()}


def _allowed(model: Any, verb: str, user: User) -> bool:
    return bool(getattr(SITES[model], f"has_{verb}_permission")(asked_by(user)))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_row_that_is_added_is_told(administrator: Client, company: dict[Any, Any], root: User, model: Any) -> None:  # noqa: F811  fixtures
    if not _allowed(model, "add", root):
        assert model not in ADD
        assert administrator.post(reverse(named(model, "add")), {}, **FROM).status_code == 403
        return
    if model is InstanceSettings:  # pragma: no cover  its one row is there
        raise AssertionError
    other = GroupFactory.create(path="other")
    path = reverse(named(model, "add"))
    with held_against_the_rows() as refused:
        assert administrator.post(path, {"name": ""}, **FROM).status_code == 200
    assert refused.events == []
    with held_against_the_rows() as told:
        answer = administrator.post(path, _sent(ADD[model], company, other), **FROM)
    assert answer.status_code == 302, answer.context["errors"]
    assert len(told.events) == (2 if model is ProtectedBranch else 1)
    told_by_root(told, root, path)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_row_that_is_changed_is_told(administrator: Client, company: dict[Any, Any], root: User, model: Any) -> None:  # noqa: F811  fixtures
    path = reverse(named(model, "change"), args=[company[model].pk])
    if not _allowed(model, "change", root):
        assert model not in CHANGE
        assert administrator.post(path, {}, **FROM).status_code == 403
        return
    sent = values_of(administrator.get(path))
    changed = CHANGE.get(model, {"title": "changed"} if "title" in sent else {"expires_at_0": "2090-01-01", "expires_at_1": "00:00"})
    with held_against_the_rows() as nothing:
        answer = administrator.post(path, sent, **FROM)
        assert answer.status_code == 302, answer.context["errors"]
    assert nothing.events == []
    with held_against_the_rows() as told:
        answer = administrator.post(path, {**sent, **changed}, **FROM)
        assert answer.status_code == 302, answer.context["errors"]
    assert len(told.events) == (2 if model is Project else 1)
    told_by_root(told, root, path)


def _removable(model: Any, company: dict[Any, Any]) -> Any:  # noqa: F811  the fixture's value
    """A row that the site lets go: the company's, or one on which nothing depends that can only be read."""
    makers: dict[Any, Any] = {
        Agent: lambda: AgentFactory.create(project=company[Project], name="empty"),
        Namespace: lambda: GroupFactory.create(path="other"),
        Storage: lambda: Storage.objects.create(name="empty"),
        User: lambda: UserFactory.create(username="bob"),
        Webhook: lambda: Webhook.objects.create(project=company[Project], url="https://ci.example.com/empty"),
    }
    return makers[model]() if model in makers else company[model]


@pytest.mark.usefixtures("gitaly")
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_row_that_is_removed_is_told(administrator: Client, company: dict[Any, Any], root: User, model: Any) -> None:  # noqa: F811  fixtures
    row = _removable(model, company)
    path = reverse(named(model, "delete"), args=[row.pk])
    if not _allowed(model, "delete", root):
        assert administrator.post(path, {"post": "yes"}, **FROM).status_code == 403
        return
    with held_against_the_rows() as told:
        assert administrator.post(path, {"post": "yes"}, **FROM).status_code == 302
    assert not model._base_manager.filter(pk=row.pk).exists()  # noqa: SLF001  the manager that sees all rows
    assert [event.action.rpartition("_")[2] for event in told.events] == ["removed"]
    told_by_root(told, root, path)


BESIDES = {"create_missing_repositories": "project_repository_created", "deliver_again": "webhook_delivery_retried"}
TWO_ROWS = {"rotate": {AgentToken: 2}}
"""A rotation revokes one agent's token and makes another."""


def _actions(user: User) -> list[tuple[Any, str]]:
    return [(model, action) for model, site in SITES.items() for action in site.get_actions(asked_by(user))]


def test_every_action_is_held_against_the_log(root: User) -> None:  # noqa: F811  the fixture
    assert set(ACTIONS) == set(_actions(root))


ACTIONS = [
    *[(model, "delete_selected") for model, site in SITES.items()
      if site.has_delete_permission(asked_by(User(admin=True))) and model is not Project],
    *[(model, action) for model, site in SITES.items() for action in site.actions or ()],
]  # fmt: skip


@pytest.mark.usefixtures("gitaly")
@pytest.mark.parametrize(("model", "action"), ACTIONS, ids=lambda value: getattr(value, "__name__", value))
def test_an_action_is_told(administrator: Client, company: dict[Any, Any], root: User, model: Any, action: str) -> None:  # noqa: F811  fixtures
    row = _removable(model, company) if action == "delete_selected" else company[model]
    before: dict[str, dict[str, Any]] = {"unblock": {"state": "banned", "blocked_by": "administrator"}, "unarchive": {"archived": True}}
    if action in before:
        model.objects.filter(pk=row.pk).update(**before[action])
    path = reverse(named(model, "changelist"))
    sent = {"action": action, "_selected_action": [row.pk], **({"post": "yes"} if action == "delete_selected" else {})}
    with held_against_the_rows(besides=(BESIDES[action],) if action in BESIDES else ()) as told:
        assert administrator.post(path, sent, **FROM).status_code == 302
    expected = TWO_ROWS.get(action, {}).get(model, 2 if action == "create_missing_repositories" else 1)
    assert len(told.events) == expected, told.events
    told_by_root(told, root, path)


def test_the_button_that_delivers_again_is_told(administrator: Client, company: dict[Any, Any], root: User) -> None:  # noqa: F811  fixtures
    path = reverse("admin:repositories_webhookdelivery_again", args=[company[WebhookDelivery].pk])
    with held_against_the_rows(besides=("webhook_delivery_retried",)) as told:
        administrator.post(path, **FROM)
    assert told.actions == ["webhook_delivery_retried"]
    told_by_root(told, root, path)


def test_an_administrators_own_password_is_told_and_masked(administrator: Client, root: User) -> None:  # noqa: F811  fixtures
    path = reverse("admin:password_change")
    sent = {"old_password": "correct horse battery", "new_password1": "the later password", "new_password2": "the later password"}
    with held_against_the_rows() as told:
        assert administrator.post(path, sent, **FROM).status_code == 302
    assert [event.changes for event in told.events] == [{"password": {"before": "[masked]", "after": "[masked]"}}]
    told_by_root(told, root, path)


def test_every_form_of_the_site_is_walked() -> None:
    """What is registered beside models of ours would have forms that nobody looks at here."""
    beside = {model for model in admin.site._registry if model not in MODELS}  # noqa: SLF001  Django has no other list of them
    assert {site.model._meta.app_label for site in map(admin.site._registry.get, beside) if site} <= {"django_tasks_database"}  # noqa: SLF001  likewise
    views = {getattr(pattern, "name", None) for pattern in admin.site.get_urls()} - {None}
    assert views == {
        "app_list",
        "index",
        "login",
        "logout",
        "password_change",
        "password_change_done",
        "autocomplete",
        "jsi18n",
        "view_on_site",
    }


def test_the_log_itself_can_only_be_read(administrator: Client, root: User) -> None:  # noqa: F811  fixtures
    event = AuditEvent.objects.create(action="x")
    for page, arguments in (("add", []), ("change", [event.pk]), ("delete", [event.pk])):
        answer = administrator.post(reverse(named(AuditEvent, page), args=arguments), {"post": "yes", "action": "y"}, **FROM)
        assert answer.status_code == 403
    changelist = reverse(named(AuditEvent, "changelist"))
    administrator.post(changelist, {"action": "delete_selected", "_selected_action": [event.pk], "post": "yes"}, **FROM)
    event.refresh_from_db()
    assert event.action == "x"
    assert UserFactory.create(username="bob").pk
    assert AuditEvent.objects.get(action="user_created", entity_path="bob").actor_kind == "system"
