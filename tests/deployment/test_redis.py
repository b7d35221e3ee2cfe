"""docs/deployment/redis.md, executed. What happens without Redis: test_redis_faults.py."""

from pathlib import Path

import pytest

from tests.deployment.pages import execute, page
from tests.deployment.scratch_root import ScratchRoot

pytestmark = pytest.mark.deployment
PREPARE = """
install -d /etc/control-plane
echo LOG_FORMAT=text > /etc/control-plane/environment
rm -f /var/log/redis/* /var/lib/redis/*
"""


def test_the_page_is_executed(installed: ScratchRoot) -> None:
    with installed.terminal() as terminal:
        terminal.type(PREPARE)
        execute(page("redis"), {"": terminal})
        assert terminal.type("redis-cli keys 'internal_api:*'") == "internal_api:probe\n"


def test_the_sentinels_lines_are_those_of_the_tests_with_longer_times() -> None:
    """tests/deployment/redis_servers.py starts sentinels with the same directives."""
    (block,) = [block for block in page("redis") if block.text.startswith("sentinel monitor")]
    tried = Path(__file__).with_name("redis_servers.py").read_text()
    directives = [line.split()[:2] for line in block.text.splitlines()]
    assert [f"{first} {second}" in tried for first, second in directives] == [True] * 3
