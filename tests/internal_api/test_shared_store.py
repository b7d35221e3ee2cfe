"""The shared store, the same in Redis and in the database (contract: allowed 7.1, 10.14 #307, #308, 10.15 #373, #374)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from internal_api.models import SharedValue
from internal_api.shared_store import SharedStore, SharedStoreError
from internal_api.shared_store.database import DatabaseStore
from internal_api.shared_store.redis import RedisStore


def test_a_counter_never_goes_below_zero(store: SharedStore) -> None:
    assert [store.increase("c", 600), store.increase("c", 600), store.number("c")] == [1, 2, 2]
    assert [store.decrease("c"), store.decrease("c"), store.decrease("c"), store.number("c")] == [1, 0, 0, 0]
    assert store.increase("c", 600) == 1
    assert store.decrease("never counted") == 0


def test_a_window_counts_up(store: SharedStore) -> None:
    assert [store.count_in_window("w", 60, 1) for _ in range(3)] == [1, 2, 3]


def test_a_text_is_kept_taken_and_forgotten(store: SharedStore) -> None:
    """Allowed 10.15 #382: once, then nothing."""
    store.put("t", "moved", 300)
    assert store.get("t") == "moved"
    assert [store.take("t"), store.take("t"), store.get("t")] == ["moved", None, None]
    assert [store.put_once("o", "first", 60), store.put_once("o", "second", 60), store.get("o")] == [True, False, "first"]
    store.forget("o")
    assert store.get("o") is None
    store.put("t", "a", 60)
    store.put("t", "b", 60)
    assert store.get("t") == "b"


def test_the_store_is_well(store: SharedStore) -> None:
    assert store.is_healthy()


def test_what_has_expired_is_absent(db: None) -> None:
    store = DatabaseStore()
    store.put("t", "old", 60)
    store.increase("c", 60)
    store.count_in_window("w", 60, 1)
    store.put("o", "old", 60)
    SharedValue.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert (store.get("t"), store.number("c"), store.take("t")) == (None, 0, None)
    assert (store.increase("c", 60), store.count_in_window("w", 60, 1), store.put_once("o", "new", 60)) == (1, 1, True)
    assert SharedValue.objects.get(key="w").expires_at > timezone.now()


def test_counting_renews_the_life_a_window_does_not(db: None) -> None:
    """Allowed 7.1: each increase renews it, a decrease does not."""
    store = DatabaseStore()
    soon = timezone.now() + timedelta(seconds=5)
    store.increase("c", 600)
    store.count_in_window("w", 600, 1)
    SharedValue.objects.update(expires_at=soon)
    store.increase("c", 600)
    store.count_in_window("w", 600, 1)
    assert SharedValue.objects.get(key="c").expires_at > soon
    assert SharedValue.objects.get(key="w").expires_at == soon
    SharedValue.objects.update(expires_at=soon)
    store.decrease("c")
    assert SharedValue.objects.get(key="c").expires_at == soon


def test_a_redis_that_is_away_says_so() -> None:
    store = RedisStore("redis://127.0.0.1:1/0")
    assert not store.is_healthy()
    for call in (lambda: store.increase("c", 1), lambda: store.get("t"), lambda: store.put("t", "x", 1)):
        with pytest.raises(SharedStoreError):
            call()


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("threads", [8])
def test_counters_are_exact_under_concurrent_calls(threads: int) -> None:
    store = DatabaseStore()

    def work(_: int) -> None:
        try:
            for _ in range(25):
                store.increase("c", 600)
                store.increase("c", 600)
                store.decrease("c")
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    assert store.number("c") == threads * 25


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_of_two_takers_one_gets_the_text() -> None:
    store = DatabaseStore()

    def take(_: int) -> str | None:
        try:
            return store.take("t")
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            store.put("t", "once", 60)
            assert sorted(filter(None, pool.map(take, range(8)))) == ["once"]
