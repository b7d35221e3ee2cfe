"""Deploy keys outlive their owners: they become the ghost user's (contract: allowed 2.5, decisions 10)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.contrib.admin.utils import NestedObjects
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts.models import SSHKey, User, UserType
from repositories.models import Project, ProtectedRefGrant
from repositories.services.access import grant_deploy_key, set_member
from repositories.services.protected_refs import protect_branch
from tests.factories import DeployKeyFactory, SSHKeyFactory, UserFactory


def by_seed_file(user: User, tmp_path: Path) -> None:
    path = tmp_path / "seed.yml"
    path.write_text(yaml.safe_dump({"users": [{"username": user.username, "absent": True}]}))
    call_command("seed", str(path))


def by_admin_form(user: User, tmp_path: Path) -> None:
    form = reverse("admin:accounts_user_delete", args=[user.pk])
    assert _administrator().post(form, {"post": "yes"}).status_code == 302


def by_admin_action(user: User, tmp_path: Path) -> None:
    form = {"action": "delete_selected", "_selected_action": [user.pk], "post": "yes"}
    assert _administrator().post(reverse("admin:accounts_user_changelist"), form).status_code == 302


def _administrator() -> Client:
    client = Client()
    client.force_login(UserFactory.create(username="root", admin=True))
    return client


REMOVALS: list[Callable[[User, Path], Any]] = [
    by_seed_file,
    by_admin_form,
    by_admin_action,
    lambda user, _: user.delete(),
    lambda user, _: User.objects.filter(pk=user.pk).delete(),
]
NAMES = ["seed file", "admin form", "admin action", "model", "query set"]


@pytest.fixture
def deploy_key(ann: User, rockets: Project) -> SSHKey:
    set_member(rockets, ann, 40)
    SSHKeyFactory.create(user=ann)
    key = DeployKeyFactory.create(owner=ann)
    grant_deploy_key(rockets, key, can_push=True)
    protect_branch(rockets, "main", {"push": [key]})
    return key


def allowed(shell: Client, project: Project, key: SSHKey, action: str, changes: str) -> Any:
    question = {"action": action, "gl_repository": f"project-{project.pk}", "protocol": "ssh", "changes": changes}
    return shell.post("/api/v4/internal/allowed", {**question, "key_id": key.pk}, content_type="application/json")


@pytest.mark.parametrize("remove", REMOVALS, ids=NAMES)
def test_deploy_keys_of_a_removed_user_become_the_ghosts(
    shell: Client, deploy_key: SSHKey, rockets: Project, ann: User, tmp_path: Path, remove: Callable[[User, Path], Any]
) -> None:
    assert allowed(shell, rockets, deploy_key, "git-upload-pack", "_any").json()["gl_id"] == f"user-{ann.pk}"
    removed = ann.pk
    remove(ann, tmp_path)
    assert not User.objects.filter(pk=removed).exists()
    kept = SSHKey.objects.get()
    assert (kept.pk, kept.user) == (deploy_key.pk, None), "the user's own key is gone"
    assert ProtectedRefGrant.objects.filter(deploy_key=deploy_key).exists()
    ghost = User.objects.get(user_type=UserType.GHOST)
    answer = allowed(shell, rockets, deploy_key, "git-upload-pack", "_any")
    assert (answer.status_code, answer.json()["gl_id"]) == (200, f"user-{ghost.pk}")
    changes = f"{'1' * 40} {'2' * 40} refs/heads/topic"
    refused = allowed(shell, rockets, deploy_key, "git-receive-pack", changes)
    assert (refused.status_code, refused.json()["message"]) == (401, "You are not allowed to push code to this project.")


def test_without_deploy_keys_no_ghost_is_made(ann: User) -> None:
    SSHKeyFactory.create(user=ann)
    ann.delete()
    assert not User.objects.exists()
    assert not SSHKey.objects.exists()


def test_keys_of_others_stay_as_they_are(ann: User) -> None:
    bob = UserFactory.create(username="bob")
    own = SSHKeyFactory.create(user=bob)
    deploy = DeployKeyFactory.create(owner=bob)
    ann.delete()
    assert dict(SSHKey.objects.values_list("pk", "user_id")) == {own.pk: bob.pk, deploy.pk: bob.pk}


def test_looking_at_what_a_deletion_takes_along_changes_nothing(deploy_key: SSHKey, ann: User) -> None:
    """The admin site's page of confirmation asks the same collector."""
    found = NestedObjects(using="default")
    found.collect([ann])
    assert deploy_key not in found.data[SSHKey]
    assert len(found.data[SSHKey]) == 1
    assert SSHKey.objects.filter(user=ann).count() == 2
    assert not User.objects.filter(user_type=UserType.GHOST).exists()
