"""What CONTRIBUTING.md and the forges' files name is there."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
pytestmark = pytest.mark.once


def test_every_file_that_contributors_are_told_to_change_is_there() -> None:
    paths = re.findall(r"`((?:\w+/)+\w+\.\w+|\w+\.(?:md|toml))`", PAGE, re.ASCII)
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_target_of_make_is_there() -> None:
    pages = PAGE + (ROOT / "docs" / "releasing.md").read_text()
    targets = set(re.findall(r"`make ([a-z-]+)", pages))
    told = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert targets
    assert targets <= set(re.findall(r"^  ([a-z-]+) ", told, re.MULTILINE))


@pytest.mark.parametrize("name", [".github/workflows/ci.yml", ".gitlab-ci.yml"])
def test_each_forge_runs_what_ci_runs(name: str) -> None:
    """Whether a forge accepts the file is not shown here: none runs."""
    assert "bash .ci/run" in str(yaml.safe_load((ROOT / name).read_text()))


def test_hooks_of_git_are_local_and_pinned() -> None:
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = [hook for one in repositories for hook in one["hooks"]]
    assert {one["repo"] for one in repositories} == {"local"}
    assert all(hook["entry"].startswith(".venv/bin/") for hook in hooks)


def test_only_one_file_says_the_version() -> None:
    """The version of the package, not that of the API's description."""
    (version,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    found = subprocess.run(
        ["git", "grep", "-lF", f'"{version}"', "--", "*.py", "*.toml", "*.yaml", "Dockerfile"],
        check=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert found.stdout.split() == ["pyproject.toml"]
