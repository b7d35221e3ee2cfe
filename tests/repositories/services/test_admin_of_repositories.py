"""A project's page on the admin site changes row, rule and HEAD together, and creates what is missing (contract: decisions 16c, 16d)."""

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from repositories.models import Project, ProtectedBranch, Storage
from repositories.policy.repository_path import relative_path
from repositories.services.protected_refs import protect_branch
from tests.factories import UserFactory
from tests.gitaly_server import FakeGitaly
from tests.repositories.services.conftest import BareRepository


@pytest.fixture
def administrator(db: None) -> Client:
    """Signed in through the site's own form."""
    UserFactory.create(username="root", admin=True, password="correct horse battery")
    client = Client()
    client.post(reverse("admin:login"), {"username": "root", "password": "correct horse battery"})
    return client


class FormError(Exception):
    """What the page says of a form that it does not accept."""


def save(client: Client, project: Project, **values: str) -> list[str]:
    """Send the form of the project as it is shown, with some values changed; what the page says then."""
    url = reverse("admin:repositories_project_change", args=[project.pk])
    page = client.get(url)
    form = page.context["adminform"].form
    sent = {
        name: form.initial[name] for name in form.fields if form.initial.get(name) not in (None, "") and form.initial[name] is not False
    }
    for formset in page.context["inline_admin_formsets"]:
        sent |= {f"{formset.formset.prefix}-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS")}
    sent |= {"created_at_0": f"{project.created_at:%Y-%m-%d}", "created_at_1": f"{project.created_at:%H:%M:%S}"}
    response = client.post(url, {**sent, **values})
    if response.status_code != 302:  # the form is shown again
        raise FormError(str(response.context["errors"]))
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_default_branch_is_changed_with_rule_and_head(administrator: Client, rockets: Project, repository: BareRepository) -> None:
    repository.branches("main", "trunk")
    Project.objects.update(empty=False)
    protect_branch(rockets, "main", {})
    save(administrator, rockets, default_branch="trunk")
    rockets.refresh_from_db()
    assert (rockets.default_branch, repository.head, ProtectedBranch.objects.get().name) == ("trunk", "refs/heads/trunk", "trunk")


def test_branch_that_does_not_exist_changes_the_rest_only(administrator: Client, rockets: Project, repository: BareRepository) -> None:
    repository.branches("main")
    told = save(administrator, rockets, default_branch="none", description="new")
    rockets.refresh_from_db()
    assert (rockets.default_branch, rockets.description, repository.head) == ("main", "new", "refs/heads/main")
    assert any(message.startswith("The default branch is still main: ") for message in told)


def test_name_that_no_branch_may_have_is_an_error_of_the_form(administrator: Client, rockets: Project, repository: BareRepository) -> None:
    repository.branches("main")
    with pytest.raises(FormError, match=r"a\.\.b.*is not a branch name that Git accepts"):
        save(administrator, rockets, default_branch="a..b", description="new")
    rockets.refresh_from_db()
    assert (rockets.default_branch, rockets.description == "new", repository.head) == ("main", False, "refs/heads/main")


def test_missing_repositories_are_created_or_named(administrator: Client, gitaly: FakeGitaly, rockets: Project) -> None:
    def act() -> list[str]:
        url = reverse("admin:repositories_project_changelist")
        response = administrator.post(url, {"action": "create_missing_repositories", "_selected_action": [rockets.pk]})
        return [str(message) for message in get_messages(response.wsgi_request)]

    assert act()[-1] == "1 created, 0 existed."
    assert (gitaly.path_of("default", relative_path(rockets.pk, "project")) / "HEAD").exists()
    Storage.objects.update(gitaly_address="unix:/nowhere/socket")
    assert any("The repositories of acme/rockets cannot be looked at: " in message for message in act())
