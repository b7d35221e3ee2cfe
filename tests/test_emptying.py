"""A test that commits leaves nothing behind."""

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from accounts.models import SSHKey
from repositories.models import Project
from tests.emptying import tables_with_rows
from tests.factories import ProjectFactory, SSHKeyFactory


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("time", ["first", "second"])
def test_rows_of_the_test_before_are_gone(time: str) -> None:
    """In either order, one of the two comes after the other."""
    assert tables_with_rows(connection) == []
    ProjectFactory.create()
    SSHKeyFactory.create()
    assert Project.objects.count() == SSHKey.objects.count() == 1
    assert {"repositories_project", "accounts_sshkey", "accounts_user"} <= {*tables_with_rows(connection)}


@pytest.mark.django_db(transaction=True)
def test_permissions_and_content_types_stay() -> None:
    assert Permission.objects.exists()
    assert ContentType.objects.exists()
