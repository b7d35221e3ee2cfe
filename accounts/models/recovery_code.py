"""Codes that stand in once for a lost second factor."""

from typing import ClassVar

from django.db import models

from accounts.models.user import User


class RecoveryCode(models.Model):
    """One code, as a digest; deleted when it is used."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    code_digest = models.CharField(max_length=64)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "code_digest"], name="recovery_code_unique")]

    def __str__(self) -> str:
        return f"recovery code of {self.user_id}"
