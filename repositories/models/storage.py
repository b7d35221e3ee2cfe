"""Where repositories live: Gitaly servers."""

from django.core.validators import RegexValidator
from django.db import models

from internal_api.encryption import EncryptedTextField
from internal_api.models import Audited

DEFAULT_ADDRESS = "unix:/run/gitaly/gitaly.socket"
GITALY_ADDRESS = r"\A(unix:|tcp://|tls://|dns:|dns\+tls:)\S+\Z"


class Storage(Audited):
    """A Gitaly server by the name that repositories refer to."""

    name = models.CharField(max_length=255, unique=True)
    gitaly_address = models.CharField(
        max_length=1024,
        default=DEFAULT_ADDRESS,
        validators=[RegexValidator(GITALY_ADDRESS, "A Gitaly address starts with unix:, tcp://, tls://, dns: or dns+tls:.")],
    )
    gitaly_token = EncryptedTextField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name
