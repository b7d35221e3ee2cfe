"""The rows that tests start from: the database alone holds their constraints, and everybody else's are validated as ever."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.models import User
from tests.factories import UserFactory, database_judges


@pytest.mark.django_db
def test_the_database_holds_what_the_factories_do_not_validate() -> None:
    UserFactory.create(username="ann")
    again = User(username="ANN", email="other@example.com", name="Ann", password="!")
    with pytest.raises(ValidationError):
        again.full_clean()
    with database_judges():
        again.full_clean()
        with pytest.raises(IntegrityError), transaction.atomic():
            again.save(force_insert=True)
    with pytest.raises(ValidationError):
        again.full_clean()
