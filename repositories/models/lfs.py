"""Git LFS: the objects that are stored, the repositories that they belong to, and file locks (contract: git-http 4.4, 5)."""

import re
from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import Exact
from django.utils import timezone

from internal_api.blank_names import not_blank, validate_not_blank
from internal_api.models import Audited
from repositories.models.project import Project

OID_LENGTH = 64
LONGEST_LOCK_PATH = 511
LARGEST_SIZE = 2**63 - 1
_OID = re.compile(r"[0-9a-f]{64}", re.ASCII)


def is_oid(text: object) -> bool:
    """Whether this is the id of an LFS object: a SHA-256 in lower-case hexadecimal digits."""
    return isinstance(text, str) and _OID.fullmatch(text) is not None


def validate_oid(oid: str) -> None:
    """Raise ValidationError unless it is the id of an LFS object."""
    if not is_oid(oid):
        raise ValidationError(f"{oid!r} must be a SHA-256 of 64 lower-case hexadecimal digits.")


class LFSRepositoryType(models.TextChoices):
    """The repositories of a project that LFS objects can belong to."""

    PROJECT = "project", "Project"
    WIKI = "wiki", "Wiki"


class LFSObject(models.Model):
    """Content that the LFS storage holds, once for all repositories; `oid` is its SHA-256.

    `last_linked_at` is when a repository last had it or began to have it: the grace period before its removal starts there.
    """

    oid = models.CharField("object id", max_length=OID_LENGTH, unique=True, validators=[validate_oid])
    size = models.BigIntegerField(validators=[MinValueValidator(0)], help_text="Bytes.")
    created_at = models.DateTimeField(default=timezone.now)
    last_linked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "LFS object"
        constraints: ClassVar = [
            models.CheckConstraint(condition=Exact(Length("oid"), OID_LENGTH), name="lfs_object_oid_has_64_digits"),
            models.CheckConstraint(condition=models.Q(size__gte=0), name="lfs_object_size_not_negative"),
        ]

    def __str__(self) -> str:
        return self.oid


class LFSObjectLink(models.Model):
    """An object belongs to a repository: only through such a link can anybody download it (contract: git-http 4.4)."""

    lfs_object = models.ForeignKey(LFSObject, on_delete=models.PROTECT, related_name="links", verbose_name="LFS object")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="lfs_links")
    repository_type = models.CharField(max_length=7, choices=LFSRepositoryType, default=LFSRepositoryType.PROJECT)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "LFS object of a repository"
        verbose_name_plural = "LFS objects of repositories"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "lfs_object", "repository_type"], name="lfs_link_unique"),
            models.CheckConstraint(condition=models.Q(repository_type__in=LFSRepositoryType.values), name="lfs_link_repository_type_known"),
        ]

    def __str__(self) -> str:
        return f"{self.lfs_object_id} of {self.repository_type}-{self.project_id}"


class LFSLock(Audited):
    """A file that only its owner should change; a project and its wiki share their locks (contract: git-http 5)."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="lfs_locks")
    path = models.CharField(max_length=LONGEST_LOCK_PATH, validators=[validate_not_blank])
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="lfs_locks")
    locked_at = models.DateTimeField(default=timezone.now)

    audit_related = ("project__namespace__route", "owner")

    class Meta:
        verbose_name = "LFS lock"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "path"], name="lfs_lock_unique"),
            not_blank("path", name="lfs_lock_path_not_blank"),
        ]

    def __str__(self) -> str:
        return self.path

    def audit_name(self) -> str:
        return f"{self.project.audit_name()}: {self.path}"
