"""Where repositories live: Gitaly servers."""

import re
from functools import reduce
from operator import or_
from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models

from internal_api.blank_names import not_blank
from internal_api.encryption import EncryptedTextField
from internal_api.models import Audited

DEFAULT_ADDRESS = "unix:/run/gitaly/gitaly.socket"
SCHEMES = ("unix:", "tcp://", "tls://", "dns:", "dns+tls:")
GITALY_ADDRESS = r"\A(unix:|tcp://|tls://|dns:|dns\+tls:)\S+\Z"


_ADDRESS_HAS_SCHEME = reduce(or_, (models.Q(gitaly_address__startswith=scheme) for scheme in SCHEMES))


def is_gitaly_address(text: str) -> bool:
    """Whether it is an address that clients of Gitaly understand."""
    return re.match(GITALY_ADDRESS, text) is not None


class Storage(Audited):
    """A Gitaly server by the name that repositories refer to."""

    name = models.CharField(max_length=255, unique=True)
    gitaly_address = models.CharField(
        max_length=1024,
        default=DEFAULT_ADDRESS,
        validators=[RegexValidator(GITALY_ADDRESS, "A Gitaly address starts with unix:, tcp://, tls://, dns: or dns+tls:.")],
    )
    gitaly_token = EncryptedTextField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            not_blank("name", name="storage_name_not_blank"),
            models.CheckConstraint(condition=_ADDRESS_HAS_SCHEME, name="storage_gitaly_address_has_scheme"),
        ]

    def __str__(self) -> str:
        return self.name
