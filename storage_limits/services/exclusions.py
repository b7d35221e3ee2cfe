"""Making and removing exclusions (contract: shell-endpoints 14.3, 14.4)."""

from typing import Any

from django.db import IntegrityError, transaction

from repositories.models import Namespace
from storage_limits.errors import InvalidExclusionError, InvalidReasonError
from storage_limits.models import LONGEST_REASON, LimitExclusion
from storage_limits.services.flag import refresh_flag


def _require_root(namespace: Namespace) -> None:
    if namespace.parent_id is not None:
        raise InvalidExclusionError.because("must use a root namespace")


def check_reason(reason: str | None) -> str:
    """The reason. Raises InvalidReasonError."""
    if reason is None or not reason.strip():
        raise InvalidReasonError
    if len(reason) > LONGEST_REASON:
        raise InvalidReasonError(f"is too long (maximum is {LONGEST_REASON} characters)")
    return reason


def exclude(namespace: Namespace, reason: str | None, **fields: Any) -> LimitExclusion:
    """Let no limit bind the namespace. Raises InvalidExclusionError, InvalidReasonError; the first that fits is told."""
    _require_root(namespace)
    if LimitExclusion.objects.filter(namespace=namespace).exists():
        raise InvalidExclusionError.because("already excluded")
    text = check_reason(reason)
    try:
        with transaction.atomic():
            exclusion = LimitExclusion.objects.create(namespace=namespace, reason=text, **fields)
            refresh_flag(namespace.pk)
    except IntegrityError as error:
        raise InvalidExclusionError.because("already excluded") from error
    return exclusion


def remove_exclusion(namespace: Namespace) -> None:
    """Let the limit bind the namespace again. Raises InvalidExclusionError."""
    _require_root(namespace)
    with transaction.atomic():
        if not LimitExclusion.objects.filter(namespace=namespace).delete()[0]:
            raise InvalidExclusionError.because("not excluded")
        refresh_flag(namespace.pk)
