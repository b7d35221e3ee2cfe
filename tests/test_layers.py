"""The layers hold, each contract fails when it is broken, and nothing in the database points upwards either."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.apps import apps
from django.db.migrations.loader import MigrationLoader
from django.db.models import Model

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ["internal_api", "accounts", "repositories", "git_http", "kubernetes_agent", "scim", "storage_limits"]
HEIGHT = {"internal_api": 0, "accounts": 1, "repositories": 2, "git_http": 3, "kubernetes_agent": 3, "scim": 3, "storage_limits": 3}


def lint(directory: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(
        command, cwd=directory, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(directory), "PATH": ""}
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("layers")
    for package in [*LAYERS, "settings"]:
        shutil.copytree(ROOT / package, directory / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", directory)
    return directory


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("internal_api/errors.py", None, None),
        ("internal_api/errors.py", "import accounts.models", "Packages are layered"),
        ("scim/apps.py", "import storage_limits.apps", "Packages are layered"),
        ("accounts/models/user.py", "import accounts.services.users", "Inside an app"),
        ("repositories/selectors/facts.py", "import repositories.views.allowed", "Inside an app"),
        ("repositories/policy/facts.py", "import django.db", "The access policy is pure"),
        ("repositories/services/access.py", "import rest_framework.views", "The domain knows nothing of HTTP"),
    ],
)
def test_a_broken_contract_is_seen(copy: Path, module: str, line: str | None, contract: str | None) -> None:
    path = copy / module
    sound = path.read_text()
    path.write_text(f"{sound}\n{line}\n" if line else sound)
    try:
        done = lint(copy)
    finally:
        path.write_text(sound)
    broken = re.findall(r"^(.*) BROKEN$", done.stdout, re.MULTILINE)
    assert (done.returncode == 0) is (contract is None), done.stdout + done.stderr
    assert any(name.startswith(contract) for name in broken) if contract else not broken


def test_no_foreign_key_points_upwards() -> None:
    for model in apps.get_models():
        for field in model._meta.get_fields():  # noqa: SLF001  Django's public name for it
            target = field.related_model
            if field.auto_created or not (isinstance(target, type) and issubclass(target, Model)) or model._meta.app_label not in HEIGHT:  # noqa: SLF001  likewise
                continue
            above = HEIGHT.get(target._meta.app_label, -1)  # noqa: SLF001  likewise
            assert above <= HEIGHT[model._meta.app_label], f"{model.__name__}.{field.name}"  # noqa: SLF001  likewise


def test_no_migration_depends_on_one_above() -> None:
    for (label, name), migration in MigrationLoader(None).disk_migrations.items():
        for dependency, _ in migration.dependencies:
            if label in HEIGHT:
                assert HEIGHT.get(dependency, -1) <= HEIGHT[label], f"{label}.{name}"


def test_every_symbol_of_the_architecture_page_is_where_it_says() -> None:
    rows = re.findall(r"^\|[^|]+\| `(\w+)` \| `([\w/.]+)` \|$", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
    assert rows
    for symbol, path in rows:
        assert re.search(rf"^(class |def )?{symbol}\b", (ROOT / path).read_text(), re.MULTILINE), f"{symbol} in {path}"


def test_one_module_alone_asks_the_policy() -> None:
    """Requests are made from an access check in one place, so /allowed, LFS and the explanations cannot differ."""
    makers = {
        path.relative_to(ROOT).as_posix()
        for package in [*LAYERS, "settings"]
        for path in (ROOT / package).rglob("*.py")
        if not path.is_relative_to(ROOT / "repositories" / "policy") and _makes_policy_requests(ast.parse(path.read_text()))
    }
    assert makers == {"repositories/services/authorization.py"}


def _makes_policy_requests(module: ast.Module) -> bool:
    names = {
        alias.asname or alias.name
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("repositories.policy")
        for alias in node.names
        if alias.name == "Request"
    }
    called = [node.func for node in ast.walk(module) if isinstance(node, ast.Call)]
    return any(isinstance(one, ast.Name) and one.id in names for one in called) or any(
        ast.unparse(one) in ("policy.AccessRequest", "policy.request.AccessRequest") for one in called
    )
