"""docs/deployment/audit-log.md, executed."""

import json

import pytest

from tests.deployment.pages import execute, page
from tests.deployment.scratch_root import ScratchRoot

pytestmark = pytest.mark.deployment
PREPARE = """
cd /opt/control-plane
. .venv/bin/activate
export LOG_FORMAT=text
python manage.py migrate --verbosity 0
python manage.py seed demo/seed.yaml
python manage.py block_user ann
"""


def test_each_query_of_the_page_is_answered(installed: ScratchRoot) -> None:
    with installed.terminal() as terminal:
        terminal.type(PREPARE)
        execute(page("audit-log"), {"": terminal})
        (blocked,) = terminal.type("python manage.py audit_events --kind command --action user_blocked").splitlines()
    assert json.loads(blocked)["entity_path"] == "ann"
