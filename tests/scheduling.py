"""Which tests one of pytest-xdist's workers runs together, and which are begun first.

pytest-xdist's own groups do nothing here: it renames items (`Item._nodeid`), and pytest 9.2 does not read that name any more.
So `--dist loadgroup` is given the scheduler below. A unit is what one worker runs without a break:

* the tests that share the session's running service: another worker would start a service, a proxy and an sshd of its own;
* the tests of a module of tests/live that starts its own for all of them;
* every other test by itself.

Units that wait for other processes for long come first, so that they wait while others compute, and none of them is the last.
"""

from pathlib import PurePath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

SHARED_SERVICE = "the running service"
LONGEST_FIRST = (
    "tests/deployment/test_image.py",
    "tests/deployment/test_one_machine_systemd.py",
    "tests/live/test_accepted_pushes.py",
    "tests/live/test_slow_dependencies.py",
    SHARED_SERVICE,
    "tests/live/test_git_over_http.py",
    "tests/live/test_git_lfs.py",
    "tests/live/test_deployment.py",
    "tests/live/test_faults.py",
    "tests/live",
    "tests/internal_api/test_database_retry.py",
)
"""Units, modules or directories."""
SHARING = {
    "tests/live/test_browser.py",
    "tests/live/test_hooks.py",
    "tests/live/test_http_edge.py",
    "tests/live/test_kas.py",
    "tests/live/test_openssh.py",
    "tests/live/test_repositories.py",
    "tests/live/test_scim.py",
    "tests/live/test_sshd_config.py",
    "tests/live/test_stand_ins.py",
}
"""The modules that use the fixture `service` of tests/live/conftest.py."""
TOGETHER = {
    "tests/live/test_deployment.py",
    "tests/live/test_git_lfs.py",
    "tests/live/test_git_over_http.py",
    "tests/live/test_readme_requests.py",
}
"""Modules that start for all of their tests what one worker runs."""


def unit_of(nodeid: str) -> str:
    """Return the name of a test's unit."""
    module = nodeid.partition("::")[0]
    if module in SHARING:
        return SHARED_SERVICE
    return module if module in TOGETHER else nodeid


def rank(nodeid: str) -> int:
    """Return the place of a test's unit in `LONGEST_FIRST`; whatever is not named there comes after it."""
    unit = unit_of(nodeid)
    names = {unit, nodeid.partition("::")[0], *map(str, PurePath(nodeid.partition("::")[0]).parents)}
    return next((place for place, name in enumerate(LONGEST_FIRST) if name in names), len(LONGEST_FIRST))


class Units(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """Hands out units in the order of the collection, which is sorted by `rank`."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # or the number of tests would be the order

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Give a worker one long unit at a time: it begins no test before it knows the next one, so that is a short one."""
        at_hand = [nodeid for unit in self.assigned_work[node].values() for nodeid in unit]
        if any(rank(nodeid) < len(LONGEST_FIRST) for nodeid in at_hand):
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """Forget a test that is done; the original counts all tests of a worker after each of them."""
        nodeid = self.registered_collections[node][item_index]
        units, unit = self.assigned_work[node], unit_of(nodeid)
        del units[unit][nodeid]
        if not units[unit]:
            del units[unit]
        self._reschedule(node)
