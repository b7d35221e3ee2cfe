"""docs/deployment/load-balancers.md, executed. What HAProxy and nginx do with it: test_rolling.py."""

import pytest

from tests.deployment.pages import execute, page
from tests.deployment.scratch_root import ScratchRoot

pytestmark = pytest.mark.deployment


def test_the_page_is_executed(installed: ScratchRoot) -> None:
    with installed.terminal() as terminal:
        execute(page("load-balancers"), {"": terminal})
        assert terminal.type("grep -c '^    server ' /etc/haproxy/haproxy.cfg") == "3\n"
