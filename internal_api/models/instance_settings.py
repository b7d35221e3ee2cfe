"""The settings of the instance that administrators change while it runs; one row."""

import time
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction

from internal_api.models.audited import Audited


def default_key_bits() -> dict[str, int]:
    """The least length of a key by its type, where an administrator has said nothing."""
    return {"ssh-rsa": 2048}


LONGEST_URL = 255


def validate_web_url(url: str) -> None:
    """Raise ValidationError unless it is an absolute http(s) URL to which a path can be appended."""
    problem = f"{url!r} must be an http or https URL such as https://git.example.com"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # the port is read, since that is when it is checked
    except ValueError as error:
        raise ValidationError(f"{problem}: {error}.") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise ValidationError(f"{problem}.")
    if len(url) > LONGEST_URL:
        raise ValidationError(f"The URL must have at most {LONGEST_URL} characters, not {len(url)}.")
    if parts.query or parts.fragment or "@" in parts.netloc or not url.isprintable() or " " in url:
        raise ValidationError(f"{problem}, without user, query, fragment or white space.")


class GitProtocol(models.TextChoices):
    """The only protocol that Git access may use; empty for any."""

    ANY = "", "Any"
    SSH = "ssh", "SSH"
    HTTP = "http", "HTTP"


class EmailConfirmation(models.TextChoices):
    """Whether an unconfirmed e-mail address keeps a user out."""

    OFF = "off", "Off"
    SOFT = "soft", "Soft"
    HARD = "hard", "Hard"


class BranchLevel(models.TextChoices):
    """Who may push or merge under a default rule."""

    NO_ONE = "no_one", "No one"
    DEVELOPER = "developer", "Developers and maintainers"
    MAINTAINER = "maintainer", "Maintainers"
    ADMIN = "admin", "Administrators"


class InstanceSettings(Audited):
    """What seed-format.md calls `instance`. `version` is another one after every change, so that processes know when to read again."""

    enabled_git_access_protocol = models.CharField(max_length=4, choices=GitProtocol, default=GitProtocol.ANY, blank=True)
    receive_max_input_size = models.PositiveIntegerField(default=0, help_text="MiB of one push; 0 for no limit.")
    gitlab_shell_operation_limit = models.PositiveIntegerField(default=600, help_text="Git operations a minute; 0 for no limit.")
    read_only = models.BooleanField(default=False, help_text="Maintenance: pulls go on, pushes are refused.")
    read_only_message = models.TextField(default="", blank=True)
    require_two_factor_for_git = models.BooleanField(default=False)
    require_personal_access_token_expiry = models.BooleanField(default=True)
    error_tracking_enabled = models.BooleanField(default=True)
    error_tracking_access_token_digest = models.CharField(max_length=64, default="", blank=True, editable=False)
    enforce_terms = models.BooleanField(default=False)
    default_branch_push = models.CharField(max_length=16, choices=BranchLevel, default=BranchLevel.MAINTAINER)
    default_branch_merge = models.CharField(max_length=16, choices=BranchLevel, default=BranchLevel.MAINTAINER)
    default_branch_name = models.CharField(max_length=255, default="main", help_text="For repositories whose HEAD names nothing.")
    email_confirmation = models.CharField(max_length=4, choices=EmailConfirmation, default=EmailConfirmation.OFF)
    log_git_audit_events = models.BooleanField(default=False)
    allowed_key_types = models.JSONField(default=list, blank=True, help_text="SSH key types; empty for all.")
    minimum_key_bits = models.JSONField(default=default_key_bits, blank=True)
    http_pull = models.BooleanField(default=True)
    http_push = models.BooleanField(default=True)
    feature_flags = models.JSONField(default=dict, blank=True)
    broadcasts = models.JSONField(default=list, blank=True)
    web_url = models.CharField(
        max_length=LONGEST_URL,
        default="",
        blank=True,
        validators=[validate_web_url],
        help_text="URL of the web interface that shows projects and merge requests; empty: no link to such a page is printed.",
    )
    version = models.BigIntegerField(default=1, editable=False)

    audit_ignored = frozenset({"version"})

    class Meta:
        verbose_name_plural = "instance settings"
        constraints: ClassVar = [models.CheckConstraint(condition=models.Q(pk=1), name="instance_settings_single_row")]

    def __str__(self) -> str:
        return "Instance settings"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep the row the only one, and tell every process that it has changed."""
        self.pk = 1
        self.web_url = self.web_url.rstrip("/")
        self.version = time.time_ns()
        try:
            with transaction.atomic():
                super().save(*args, **kwargs)
        except IntegrityError:  # somebody else has just made the row
            super().save(force_update=True)

    @classmethod
    def touch(cls) -> None:
        """Make every process read the settings, and what is remembered with them, again."""
        cls.objects.filter(pk=1).update(version=time.time_ns())

    @classmethod
    def current(cls) -> "InstanceSettings":
        """The row; the model's own defaults where it has never been written."""
        return cls.objects.filter(pk=1).first() or cls(pk=1, version=0)
