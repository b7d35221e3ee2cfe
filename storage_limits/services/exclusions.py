"""Making and removing exclusions (contract: shell-endpoints 14.3, 14.4)."""

from typing import Any

from django.db import IntegrityError, transaction

from internal_api.audit import record_event
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


def exclude(namespace: Namespace, reason: str | None, *, author: Any = None, **fields: Any) -> LimitExclusion:
    """Let no limit bind the namespace. Raises InvalidExclusionError, InvalidReasonError; the first that fits is told."""
    _require_root(namespace)
    if LimitExclusion.objects.filter(namespace=namespace).exists():
        raise InvalidExclusionError.because("already excluded")
    text = check_reason(reason)
    try:
        with transaction.atomic():
            exclusion = LimitExclusion.objects.create(namespace=namespace, reason=text, **fields)
            refresh_flag(namespace.pk)
            _audit("storage_limit_exclusion_created", namespace, author, reason=text)
    except IntegrityError as error:
        raise InvalidExclusionError.because("already excluded") from error
    return exclusion


def remove_exclusion(namespace: Namespace, *, author: Any = None) -> None:
    """Let the limit bind the namespace again. Raises InvalidExclusionError."""
    _require_root(namespace)
    with transaction.atomic():
        if not LimitExclusion.objects.filter(namespace=namespace).delete()[0]:
            raise InvalidExclusionError.because("not excluded")
        refresh_flag(namespace.pk)
        _audit("storage_limit_exclusion_removed", namespace, author)


def _audit(action: str, namespace: Namespace, author: Any, **details: Any) -> None:
    record_event(
        action,
        author_id=author.pk if author else None,
        author_name=author.username if author else "",
        entity_type="Namespace",
        entity_id=namespace.pk,
        entity_path=namespace.path,
        details=details,
    )
