"""Where repositories live: Gitaly servers."""

from functools import reduce
from operator import or_
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models

from internal_api.blank_names import not_blank
from internal_api.encryption import EncryptedTextField
from internal_api.models import Audited
from repositories.gitaly_address import SCHEMES, address_problem

DEFAULT_ADDRESS = "unix:/run/gitaly/gitaly.socket"
_ADDRESS_HAS_SCHEME = reduce(or_, (models.Q(gitaly_address__startswith=scheme) for scheme in SCHEMES))


def is_gitaly_address(text: str) -> bool:
    """Whether it is an address that clients of Gitaly understand."""
    return address_problem(text) is None


def validate_gitaly_address(text: str) -> None:
    """Raise ValidationError unless it is an address that clients of Gitaly understand."""
    problem = address_problem(text)
    if problem:
        raise ValidationError(problem)


class Storage(Audited):
    """A Gitaly server by the name that repositories refer to."""

    name = models.CharField(max_length=255, unique=True)
    gitaly_address = models.CharField(
        max_length=1024,
        default=DEFAULT_ADDRESS,
        validators=[validate_gitaly_address],
    )
    gitaly_token = EncryptedTextField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            not_blank("name", name="storage_name_not_blank"),
            models.CheckConstraint(condition=_ADDRESS_HAS_SCHEME, name="storage_gitaly_address_has_scheme"),
        ]

    def __str__(self) -> str:
        return self.name
