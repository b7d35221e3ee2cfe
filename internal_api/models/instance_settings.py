"""The settings of the instance that administrators change while it runs; one row."""

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import IntegrityError, models, transaction

from internal_api.branch_names import is_valid_name
from internal_api.host_names import host_of
from internal_api.model_fields import StringListField, StructuredField, json_type_is
from internal_api.models.audited import Audited
from internal_api.setting_values import (
    broadcasts_problems,
    feature_flags_problems,
    key_bits_problems,
    key_type_problem,
    readable_broadcasts,
    readable_feature_flags,
    readable_key_bits,
    readable_key_types,
)
from internal_api.stored_values import is_valid, report_unreadable

LARGEST_NUMBER = 2**31 - 1
DEFAULT_BRANCH = "main"


def default_key_bits() -> dict[str, int]:
    """The least length of a key by its type, where an administrator has said nothing."""
    return {"ssh-rsa": 2048}


LONGEST_URL = 255


def validate_web_url(url: str) -> None:
    """Raise ValidationError unless it is an absolute http(s) URL to which a path can be appended."""
    problem = f"{url!r} must be an http or https URL such as https://git.example.com"
    if not url.startswith(("http://", "https://")) or host_of(url) is None:
        raise ValidationError(f"{problem}.")
    parts = urlsplit(url)
    if len(url) > LONGEST_URL:
        raise ValidationError(f"The URL must have at most {LONGEST_URL} characters, not {len(url)}.")
    if parts.query or parts.fragment or "@" in parts.netloc or not url.isprintable() or " " in url:
        raise ValidationError(f"{problem}, without user, query, fragment or white space.")


def validate_branch_name(name: str) -> None:
    """Raise ValidationError unless a branch may have this name."""
    if not is_valid_name(name):
        raise ValidationError(f"{name!r} is not a branch name that Git accepts.")


def _readable_web_url(_: Any) -> str:
    return ""


def _readable_branch_name(_: Any) -> str:
    return DEFAULT_BRANCH


READABLE: Mapping[str, Callable[[Any], Any]] = {
    "allowed_key_types": readable_key_types,
    "minimum_key_bits": readable_key_bits,
    "feature_flags": readable_feature_flags,
    "broadcasts": readable_broadcasts,
    "web_url": _readable_web_url,
    "default_branch_name": _readable_branch_name,
}
"""What is used instead of a stored value that is invalid, by column; the other columns are held by the database's constraints."""


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


class LFSIntegrityCheck(models.TextChoices):
    """Whether a push is held against the LFS objects that it names (contract: git-http LD13)."""

    OFF = "off", "Off"
    USED = "used", "For projects that have LFS objects"
    ALWAYS = "always", "For every project with LFS"


class BranchLevel(models.TextChoices):
    """Who may push or merge under a default rule."""

    NO_ONE = "no_one", "No one"
    DEVELOPER = "developer", "Developers and maintainers"
    MAINTAINER = "maintainer", "Maintainers"
    ADMIN = "admin", "Administrators"


def _one_of(column: str, values: list[str]) -> models.CheckConstraint:
    return models.CheckConstraint(condition=models.Q(**{f"{column}__in": values}), name=f"instance_settings_{column}_known")


class InstanceSettings(Audited):
    """What seed-format.md calls `instance`. `version` is another one after every change, so that processes know when to read again."""

    enabled_git_access_protocol = models.CharField(max_length=4, choices=GitProtocol, default=GitProtocol.ANY, blank=True)
    receive_max_input_size = models.PositiveIntegerField(
        default=0, validators=[MaxValueValidator(LARGEST_NUMBER)], help_text="MiB of one push; 0 for no limit."
    )
    gitlab_shell_operation_limit = models.PositiveIntegerField(
        default=600, validators=[MaxValueValidator(LARGEST_NUMBER)], help_text="Git operations a minute; 0 for no limit."
    )
    read_only = models.BooleanField(default=False, help_text="Maintenance: pulls go on, pushes are refused.")
    read_only_message = models.TextField(default="", blank=True)
    require_two_factor_for_git = models.BooleanField(default=False)
    require_personal_access_token_expiry = models.BooleanField(default=True)
    error_tracking_enabled = models.BooleanField(default=True)
    error_tracking_access_token_digest = models.CharField(max_length=64, default="", blank=True, editable=False)
    enforce_terms = models.BooleanField(default=False)
    default_branch_push = models.CharField(max_length=16, choices=BranchLevel, default=BranchLevel.MAINTAINER)
    default_branch_merge = models.CharField(max_length=16, choices=BranchLevel, default=BranchLevel.MAINTAINER)
    default_branch_name = models.CharField(
        max_length=255, default=DEFAULT_BRANCH, validators=[validate_branch_name], help_text="For repositories whose HEAD names nothing."
    )
    email_confirmation = models.CharField(max_length=4, choices=EmailConfirmation, default=EmailConfirmation.OFF)
    log_git_audit_events = models.BooleanField(default=False)
    allowed_key_types = StringListField(find_problem=key_type_problem, help_text="SSH key types, one a line; empty for all.")
    minimum_key_bits = StructuredField(
        find_problems=key_bits_problems, default=default_key_bits, blank=True, help_text="One a line, such as ssh-rsa: 2048"
    )
    http_pull = models.BooleanField(default=True)
    http_push = models.BooleanField(default=True)
    lfs_enabled = models.BooleanField("Git LFS", default=True)
    lfs_integrity_check = models.CharField(
        "LFS integrity check",
        max_length=6,
        choices=LFSIntegrityCheck,
        default=LFSIntegrityCheck.USED,
        help_text="Whether a push is refused whose LFS objects were not uploaded.",
    )
    password_authentication_enabled_for_git = models.BooleanField(
        default=True, help_text="Whether Git over HTTP takes passwords, of people without a second factor; tokens always work."
    )
    feature_flags = StructuredField(
        find_problems=feature_flags_problems,
        default=dict,
        blank=True,
        help_text="One a line, such as gitaly_x: true, or gitaly_x: {projects: [acme/rockets], groups: [acme], users: [ann]}",
    )
    broadcasts = StructuredField(
        find_problems=broadcasts_problems,
        default=list,
        blank=True,
        help_text="One a line, such as - {message: Down at noon, target_path: 'acme/*', roles: [developer], ends_at: 2030-01-31T12:00:00Z}",
    )
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
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(pk=1), name="instance_settings_single_row"),
            _one_of("enabled_git_access_protocol", GitProtocol.values),
            _one_of("default_branch_push", BranchLevel.values),
            _one_of("default_branch_merge", BranchLevel.values),
            _one_of("email_confirmation", EmailConfirmation.values),
            _one_of("lfs_integrity_check", LFSIntegrityCheck.values),
            models.CheckConstraint(condition=~models.Q(default_branch_name=""), name="instance_settings_default_branch_name_not_blank"),
            json_type_is("allowed_key_types", "array", name="instance_settings_allowed_key_types_is_list"),
            json_type_is("minimum_key_bits", "object", name="instance_settings_minimum_key_bits_is_mapping"),
            json_type_is("feature_flags", "object", name="instance_settings_feature_flags_is_mapping"),
            json_type_is("broadcasts", "array", name="instance_settings_broadcasts_is_list"),
        ]

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
    def stored(cls) -> "InstanceSettings":
        """The row as it stands, for those who change or show it; the model's own defaults where it has never been written."""
        return cls.objects.filter(pk=1).first() or cls(pk=1, version=0)

    @classmethod
    def current(cls) -> "InstanceSettings":
        """The row as it is used: values that cannot be read are reported and replaced by what restricts most. Not to be saved."""
        row = cls.stored()
        for column in row.unreadable_columns():
            report_unreadable(cls._meta.db_table, column, row.pk)
            setattr(row, column, READABLE[column](getattr(row, column)))
        return row

    def unreadable_columns(self) -> list[str]:
        """Return the columns whose stored values are invalid."""
        return [name for name in READABLE if not is_valid(self, name)]
