"""Wrong credentials of one client address: counted, and after too many of them the address is banned for a while.

Only the address is held, never an account, so that a stranger keeps nobody else out (contract: git-http 2.5, LD5).
An address that stands for many people is never counted: a proxy that names nobody would ban everybody.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from internal_api.metrics import rate_limit_hits
from internal_api.peers import address_block, is_trusted
from internal_api.shared_store import SharedStoreError, shared_store

logger = logging.getLogger(__name__)
NAME = "git_http_credentials"
_LIVE = "SELECT 1 FROM internal_api_sharedvalue v WHERE v.key = %({name})s AND v.expires_at > %(now)s"
COLUMNS = f"EXISTS ({_LIVE.format(name='ban_key')}), EXISTS ({_LIVE.format(name='failures_key')})"
"""Selected along with the look-up of a credential where the database is the shared store: whether the address is banned, and
whether it has failed lately. Parameters: those of `FailedAttempts.parameters`, and `now`."""


@dataclass(frozen=True, slots=True)
class FailedAttempts:
    """What is counted of one address."""

    address: str

    @property
    def is_counted(self) -> bool:
        """Whether this address can be banned at all."""
        return settings.GIT_HTTP_FAILURES > 0 and not is_trusted(self.address)

    @property
    def is_in_database(self) -> bool:
        """Whether the state can be read by `COLUMNS`."""
        return self.is_counted and not settings.REDIS_URL

    @property
    def parameters(self) -> Mapping[str, Any]:
        return {"ban_key": self._key("ban"), "failures_key": self._key("failures")}

    def _key(self, kind: str) -> str:
        return f"{NAME}:{kind}:{address_block(self.address)}"

    def state(self) -> tuple[bool, bool]:
        """Return whether the address is banned, and whether it has failed lately; neither while the store is away."""
        if not self.is_counted:
            return False, False
        try:
            store = shared_store()
            return store.get(self._key("ban")) is not None, store.number(self._key("failures")) > 0
        except SharedStoreError as error:
            logger.warning("A ban could not be looked up: %s", error)
            return False, False

    @property
    def is_banned(self) -> bool:
        """Whether the address is banned now; not while the store is away."""
        return self.state()[0]

    def count(self) -> None:
        """Count one failure, and ban the address when there are too many."""
        if not self.is_counted:
            return
        try:
            store = shared_store()
            number = store.count_in_window(self._key("failures"), settings.GIT_HTTP_FAILURES_SECONDS, 1)
            if number >= settings.GIT_HTTP_FAILURES:
                store.put(self._key("ban"), "banned", settings.GIT_HTTP_BAN_SECONDS)
                store.forget(self._key("failures"))
                rate_limit_hits.labels(NAME).inc()
                logger.warning("%s is banned for %s s: too many wrong credentials", self.address, settings.GIT_HTTP_BAN_SECONDS)
        except SharedStoreError as error:
            logger.warning("A failed attempt could not be counted: %s", error)

    def reset(self) -> None:
        """Count from zero again: somebody at this address has the right credentials."""
        try:
            shared_store().forget(self._key("failures"))
        except SharedStoreError as error:
            logger.warning("Failed attempts could not be forgotten: %s", error)
