"""`make demo` tells its story to the end."""

import subprocess
import sys

import pytest

from tests.live.service import ROOT

pytestmark = [pytest.mark.live]


def test_the_demo_clones_pushes_and_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo"], cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=600
    )
    assert done.returncode == 0, done.stderr
    for part in (
        "Welcome to GitLab, @ann!",
        "GET /api/v4/internal/authorized_keys",
        "POST /api/v4/internal/allowed",
        "POST /api/v4/internal/post_receive",
        "[new branch]",
        "remote: GitLab: You are not allowed to push code to protected branches on this project.",
        "remote: ERROR: The project you were looking for could not be found",
        "project_is_visible: denied (project_not_found)",
        "GIT_SSH_COMMAND=",
        "curl --header",
    ):
        assert part in done.stdout, part
    assert "\033[" not in done.stdout, "colours are for terminals"
