"""REDIS_URL: the forms that work, and the sentence for each that cannot."""

from pathlib import Path

import pytest

from internal_api.redis_url import InvalidRedisURLError, SentinelAddress, check_redis_url, is_sentinel_url, sentinel_address

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    "url",
    [
        "",
        "redis://localhost",
        "redis://localhost:6379/3",
        "redis://:secret@10.0.0.1/0?client_name=x",
        "redis://[::1]:6379/0",
        "rediss://user:secret@redis.example.com:6380/0?ssl_cert_reqs=required",
        "unix:///run/redis/redis.sock?db=1",
        "redis+sentinel://a:26379,b,c/primary",
        "redis+sentinel://user:secret@a,[::1]:1/primary/2?sentinel_password=x",
        "rediss+sentinel://a/primary/0?ssl_check_hostname=false",
    ],
)
def test_what_works(url: str) -> None:
    check_redis_url(url)


SCHEMES = "REDIS_URL must begin with redis://, rediss://, unix://, redis+sentinel:// or rediss+sentinel://."


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sentinel://a,b/primary", SCHEMES),
        ("localhost:6379", SCHEMES),
        ("http://localhost", SCHEMES),
        ("redis:localhost", SCHEMES),
        ("redis://", "REDIS_URL must name one host: redis://host:6379/0, or redis+sentinel://host,host/service/0 for sentinels."),
        ("redis://a,b/0", "REDIS_URL must name one host: redis://host:6379/0, or redis+sentinel://host,host/service/0 for sentinels."),
        ("rediss://a:x/0", "REDIS_URL must name one host: rediss://host:6379/0, or rediss+sentinel://host,host/service/0 for sentinels."),
        ("redis://a/first", "REDIS_URL: the database must be a number, not 'first'."),
        ("unix://", "REDIS_URL names no socket: unix:///run/redis/redis.sock is expected."),
        (
            "redis+sentinel://a:26379",
            "REDIS_URL must name sentinels and the service that they watch: redis+sentinel://host:26379,host:26379/service/0 is expected.",
        ),
        (
            "redis+sentinel:///primary",
            "REDIS_URL must name sentinels and the service that they watch: redis+sentinel://host:26379,host:26379/service/0 is expected.",
        ),
        ("redis+sentinel://a,:1/primary", "REDIS_URL: ':1' is no host and port of a sentinel."),
        ("redis+sentinel://a:99999/primary", "REDIS_URL: 'a:99999' is no host and port of a sentinel."),
        ("redis+sentinel://a/primary/x", "REDIS_URL: the database must be a number, not 'x'."),
        ("redis://a?decode_responses=1", "REDIS_URL: decode_responses cannot be used with redis://; options are client_name, db."),
        ("redis://a?ssl_ca_certs=/etc/hosts", "REDIS_URL: ssl_ca_certs cannot be used with redis://; options are client_name, db."),
        ("rediss://a?ssl_ca_certs=/nowhere", "REDIS_URL: ssl_ca_certs names /nowhere, which is no file."),
    ],
)
def test_what_cannot_work_is_told_in_one_sentence(url: str, sentence: str) -> None:
    with pytest.raises(InvalidRedisURLError) as told:
        check_redis_url(url)
    assert str(told.value) == sentence


@pytest.mark.parametrize(
    "url", ["sentinel://user:hunter2@a/b", "redis://:hunter2@/0", "redis+sentinel://:hunter2@a", "redis://u:hunter2@a/x"]
)
def test_no_password_is_told(url: str) -> None:
    with pytest.raises(InvalidRedisURLError) as told:
        check_redis_url(url)
    assert "hunter2" not in str(told.value)


def test_what_a_url_with_sentinels_says(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("x")
    url = f"rediss+sentinel://user:p%40ss@a,b:1/primary/3?ssl_ca_certs={authority}"
    check_redis_url(url)
    assert is_sentinel_url(url)
    assert not is_sentinel_url("rediss://a")
    assert sentinel_address(url) == SentinelAddress(
        sentinels=(("a", 26379), ("b", 1)),
        service="primary",
        database=3,
        username="user",
        password="p@ss",
        has_tls=True,
        options={"ssl_ca_certs": str(authority)},
    )
