"""The shared store in Redis."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import redis

from internal_api.circuit_breaker import CircuitBreaker, CircuitOpenError
from internal_api.shared_store.base import SharedStoreError, StoreState
from internal_api.shared_store.redis_client import SECONDS, client_of

__all__ = ["PAUSE", "SECONDS", "RedisStore"]
PAUSE = 2.0
"""How long it is not asked after it did not answer."""

_MEMBERS_AT_ONCE = 10_000
"""Redis takes about a million arguments in a command, and answers nobody else meanwhile."""

_PROBE = "internal_api:probe"
SECONDS_OF_PROBE = 10
"""Life of the value that is written to see whether one can be."""

# Each script is one step for everybody else, which is what makes the counters exact.
_INCREASE = "local n = redis.call('INCR', KEYS[1]) redis.call('EXPIRE', KEYS[1], ARGV[1]) return n"
_DECREASE = """
local n = tonumber(redis.call('GET', KEYS[1]) or '0')
if n <= 1 then redis.call('DEL', KEYS[1]) return 0 end
return redis.call('DECR', KEYS[1])
"""
_TAKE_ONE = """
local n = tonumber(redis.call('GET', KEYS[1]) or '0')
if n <= 0 then return 0 end
if n == 1 then redis.call('DEL', KEYS[1]) else redis.call('DECR', KEYS[1]) end
return 1
"""
_WINDOW = (
    "local n = redis.call('INCRBY', KEYS[1], ARGV[2]) if n == tonumber(ARGV[2]) then redis.call('EXPIRE', KEYS[1], ARGV[1]) end return n"
)


def _text(value: bytes | str | None) -> str | None:
    """The client decodes, which its types do not tell."""
    return value.decode() if isinstance(value, bytes) else value


class RedisStore:
    """One client per process; its connections are made after the fork, on first use.

    A Redis that does not answer within SECONDS is not asked for PAUSE seconds, then by one caller at a time.
    """

    def __init__(self, url: str) -> None:
        self.client = client_of(url)
        self._circuit = CircuitBreaker(failures=1, seconds=PAUSE)

    @contextmanager
    def _reaching_redis(self) -> Iterator[None]:
        try:
            self._circuit.admit()
        except CircuitOpenError:
            raise SharedStoreError("Redis has not answered recently, and is asked again in a moment.") from None
        try:
            yield
        except redis.ResponseError as error:
            self._circuit.succeeded()
            raise SharedStoreError(str(error)) from error
        except redis.RedisError as error:
            self._circuit.failed()
            raise SharedStoreError(str(error)) from error
        except BaseException:
            self._circuit.failed()
            raise
        self._circuit.succeeded()

    def increase(self, key: str, life: int) -> int:
        with self._reaching_redis():
            return int(self.client.eval(_INCREASE, 1, key, life))

    def decrease(self, key: str) -> int:
        with self._reaching_redis():
            return int(self.client.eval(_DECREASE, 1, key))

    def take_one(self, key: str) -> bool:
        with self._reaching_redis():
            return bool(self.client.eval(_TAKE_ONE, 1, key))

    def count_in_window(self, key: str, life: int, number: int) -> int:
        with self._reaching_redis():
            return int(self.client.eval(_WINDOW, 1, key, life, number))

    def number(self, key: str) -> int:
        with self._reaching_redis():
            return int(self.client.get(key) or 0)

    def put(self, key: str, text: str, life: int) -> None:
        with self._reaching_redis():
            self.client.set(key, text, ex=life)

    def put_once(self, key: str, text: str, life: int) -> bool:
        with self._reaching_redis():
            return bool(self.client.set(key, text, ex=life, nx=True))

    def get(self, key: str) -> str | None:
        with self._reaching_redis():
            return _text(self.client.get(key))

    def take(self, key: str) -> str | None:
        with self._reaching_redis():
            return _text(self.client.getdel(key))

    def forget(self, key: str) -> None:
        with self._reaching_redis():
            self.client.delete(key)

    def add_to_estimate(self, key: str, members: Collection[int], life: int) -> None:
        with self._reaching_redis(), self.client.pipeline() as pipeline:
            values = list(members)
            for start in range(0, len(values), _MEMBERS_AT_ONCE):
                pipeline.pfadd(key, *values[start : start + _MEMBERS_AT_ONCE])
            pipeline.expire(key, life)
            pipeline.execute()

    def estimate(self, keys: Sequence[str]) -> int:
        with self._reaching_redis():
            return int(self.client.pfcount(*keys)) if keys else 0

    def state(self) -> StoreState:
        """Whether a value can be written: one that is full, or a replica of another, answers a PING as ever."""
        try:
            with self._reaching_redis():
                self.client.set(_PROBE, "1", ex=SECONDS_OF_PROBE)
        except SharedStoreError as error:
            return _state_of(error.__cause__)
        return StoreState.READY

    def is_healthy(self) -> bool:
        return self.state() is StoreState.READY


def _state_of(error: BaseException | None) -> StoreState:
    """What a failed write says. A Redis that answers and refuses for another reason, such as a full disk, can be read."""
    if isinstance(error, redis.OutOfMemoryError):
        return StoreState.FULL
    return StoreState.READ_ONLY if isinstance(error, redis.ResponseError) else StoreState.UNREACHABLE
