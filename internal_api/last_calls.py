"""Noting when each kind of call was last answered: at most one write a minute for each kind and process, best effort."""

import logging
import threading
import time

from django.db import Error as DjangoDatabaseError
from django.utils import timezone

from internal_api.models import LastCall
from internal_api.models.last_call import CallKind

logger = logging.getLogger(__name__)
SECONDS = 60.0


class LastCalls:
    """When this process last wrote down each kind."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._written: dict[CallKind, float] = {}

    def note(self, kind: CallKind) -> None:
        """A call of this kind is being answered. Never raises: bookkeeping does not fail a request (decisions 24a)."""
        now = time.monotonic()
        if now - self._written.get(kind, -SECONDS) < SECONDS:
            return
        with self._lock:
            if now - self._written.get(kind, -SECONDS) < SECONDS:
                return
            self._written[kind] = now
        try:
            LastCall.objects.update_or_create(kind=kind, defaults={"at": timezone.now()})
        except DjangoDatabaseError as error:
            logger.warning("The time of a call could not be noted: %s", error)

    def forget(self) -> None:
        """Write at the next call of each kind."""
        with self._lock:
            self._written.clear()

    def pause(self) -> None:
        """Write nothing for a minute, as if everything had just been written; for tests that count queries."""
        now = time.monotonic()
        with self._lock:
            self._written = dict.fromkeys(CallKind, now)


last_calls = LastCalls()
