"""The shared store in Redis."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import redis

from internal_api.shared_store.base import SharedStoreError

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


@contextmanager
def _reaching_redis() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise SharedStoreError(str(error)) from error


def _text(value: bytes | str | None) -> str | None:
    """The client decodes, which its types do not tell."""
    return value.decode() if isinstance(value, bytes) else value


class RedisStore:
    """One client per process; its connections are made after the fork, on first use."""

    def __init__(self, url: str) -> None:
        self.client = redis.Redis.from_url(url, decode_responses=True, socket_timeout=2, socket_connect_timeout=2)

    def increase(self, key: str, life: int) -> int:
        with _reaching_redis():
            return int(self.client.eval(_INCREASE, 1, key, life))

    def decrease(self, key: str) -> int:
        with _reaching_redis():
            return int(self.client.eval(_DECREASE, 1, key))

    def take_one(self, key: str) -> bool:
        with _reaching_redis():
            return bool(self.client.eval(_TAKE_ONE, 1, key))

    def count_in_window(self, key: str, life: int, number: int) -> int:
        with _reaching_redis():
            return int(self.client.eval(_WINDOW, 1, key, life, number))

    def number(self, key: str) -> int:
        with _reaching_redis():
            return int(self.client.get(key) or 0)

    def put(self, key: str, text: str, life: int) -> None:
        with _reaching_redis():
            self.client.set(key, text, ex=life)

    def put_once(self, key: str, text: str, life: int) -> bool:
        with _reaching_redis():
            return bool(self.client.set(key, text, ex=life, nx=True))

    def get(self, key: str) -> str | None:
        with _reaching_redis():
            return _text(self.client.get(key))

    def take(self, key: str) -> str | None:
        with _reaching_redis():
            return _text(self.client.getdel(key))

    def forget(self, key: str) -> None:
        with _reaching_redis():
            self.client.delete(key)

    def add_to_estimate(self, key: str, members: Collection[int], life: int) -> None:
        with _reaching_redis(), self.client.pipeline() as pipeline:
            pipeline.pfadd(key, *members)
            pipeline.expire(key, life)
            pipeline.execute()

    def estimate(self, keys: Sequence[str]) -> int:
        with _reaching_redis():
            return int(self.client.pfcount(*keys)) if keys else 0

    def is_healthy(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False
