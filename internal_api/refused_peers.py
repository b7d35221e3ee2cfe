"""Counting bad tokens by address without slowing anybody: in memory, and into the database every few seconds.

A stranger who tries a thousand tokens a second costs a dictionary entry each and a statement now and then, and does not fill a table.
"""

import logging
import threading
import time
from collections import Counter
from datetime import date

from django.db import Error as DjangoDatabaseError
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from internal_api.client_programs import ClientProgram
from internal_api.models import RefusedPeer
from internal_api.peers import address_block

logger = logging.getLogger(__name__)
SECONDS = 10.0
MOST_ADDRESSES = 50
MOST_ROWS_A_DAY = 1_000
"""Rows of one day, for all processes together; each may go past it by the addresses of one writing."""
OTHERS = "others"
type_of_peer = tuple[str, str, str]
"""Address, expected caller, and the program that the User-Agent names."""


class RefusedPeers:
    """What this process has seen since it last told the database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: Counter[type_of_peer] = Counter()
        self._told = time.monotonic() - SECONDS  # the first refusal is written at once: an administrator may be looking for it

    def count(self, address: str, caller: str, client: str = ClientProgram.OTHER) -> None:
        """One more; now and then everything is written down."""
        peer = (address_block(address) or "unix", caller, client)
        with self._lock:
            known = peer in self._seen or len(self._seen) < MOST_ADDRESSES
            self._seen[peer if known else (OTHERS, caller, client)] += 1
            now = time.monotonic()
            if now - self._told < SECONDS:
                return
            self._told, seen, self._seen = now, self._seen, Counter()
        try:
            _write(seen)
        except DjangoDatabaseError as error:
            logger.warning("Refused tokens could not be written down: %s", error)

    def flush(self) -> None:
        """Write everything down at the next occasion."""
        with self._lock:
            self._told = time.monotonic() - SECONDS

    def forget(self) -> None:
        """Let this process begin anew."""
        with self._lock:
            self._seen.clear()
            self._told = time.monotonic()


@transaction.atomic
def _write(seen: Counter[type_of_peer]) -> None:
    now = timezone.now()
    is_full = RefusedPeer.objects.filter(day=now.date()).count() >= MOST_ROWS_A_DAY
    for (address, caller, client), number in sorted(_bounded(seen, now.date(), is_full=is_full).items()):
        row, _ = RefusedPeer.objects.get_or_create(
            day=now.date(), address=address[:64], caller=caller, client=client, defaults={"last_at": now}
        )
        RefusedPeer.objects.filter(pk=row.pk).update(number=F("number") + number, last_at=now)


def _bounded(seen: Counter[type_of_peer], day: date, *, is_full: bool) -> Counter[type_of_peer]:
    """Count what has no row yet under `others`, once the day has all the rows it may have."""
    if not is_full:
        return seen
    rows = set(RefusedPeer.objects.filter(day=day).values_list("address", "caller", "client"))
    bounded: Counter[type_of_peer] = Counter()
    for peer, number in seen.items():
        bounded[peer if peer in rows else (OTHERS, peer[1], peer[2])] += number
    return bounded


refused_peers = RefusedPeers()
