"""docs/deployment/containers.md, executed as far as no container engine is needed, and compose.yaml with its configurations."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from tests.deployment.pages import execute, page
from tests.deployment.scratch_root import ROOT, ScratchRoot

pytestmark = pytest.mark.deployment
SCHEMA = Path(__file__).resolve().parent / "compose-spec.json"
"""The Compose Specification's own, as compose-go 2.16.2 has it (Apache License 2.0, The Compose Specification Authors)."""
OURS = ("migrate", "service", "worker", "clean_up")
GITS = ("gitaly", "gitlab_shell", "workhorse")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """compose.yaml as engines read it: anchors merged, variables replaced."""
    text = re.sub(r"\$\{EXTERNAL_URL:\?[^}]*\}", "https://git.example.com", (ROOT / "compose.yaml").read_text())
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    read: dict[str, Any] = yaml.safe_load(text)
    return read


@pytest.fixture
def typed(scratch: ScratchRoot) -> ScratchRoot:
    """A machine with a clone in which the page was typed."""
    with scratch.terminal() as terminal:
        terminal.type("git clone --quiet https://git.example.com/control-plane.git /root/clone\ncd /root/clone\n")
        execute(page("containers"), {"": terminal})
    return scratch


def test_the_compose_specification_holds(compose: dict[str, Any]) -> None:
    jsonschema_rs.validate(json.loads(SCHEMA.read_text()), compose)


def test_one_door_is_published_and_gits_own(compose: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert published == {"nginx": ["443:8443"], "gitlab_shell": ["22:2222"]}
    shipped = (ROOT / "deploy" / "nginx.conf").read_text()
    assert re.search(r"listen 8443 ssl", shipped)
    assert {service.get("network_mode", "") for service in compose["services"].values()} == {"", "service:nginx"}


def test_ours_run_without_privileges(compose: dict[str, Any]) -> None:
    for name in OURS:
        service = compose["services"][name]
        assert (service["read_only"], service["cap_drop"], service["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])
    assert all("mem_limit" in service for service in compose["services"].values())
    assert compose["networks"]["data"]["internal"] is True
    assert [compose["services"][name]["networks"] for name in ("postgres", "redis")] == [["data"], ["data"]]


def test_the_profile_git_and_nothing_else_needs_gitlabs_images(compose: dict[str, Any]) -> None:
    profiles = {name: service.get("profiles") for name, service in compose["services"].items()}
    assert {name for name, profile in profiles.items() if profile == ["git"]} == set(GITS)
    for name in GITS:
        assert re.fullmatch(r"registry\.gitlab\.com/gitlab-org/build/cng/[a-z-]+:v\d+\.\d+\.\d+", compose["services"][name]["image"])
    assert compose["services"]["gitlab_shell"]["environment"] == {"SSH_DAEMON": "gitlab-sshd"}


def mounted(service: dict[str, Any], path: str) -> str:
    """Return the file or directory of the clone that a container sees below a path."""
    mounts = [volume.split(":") for volume in service["volumes"] if volume.startswith("./")]
    (source,) = [f"{mount[0]}{path.removeprefix(mount[1])}" for mount in mounts if path == mount[1] or path.startswith(f"{mount[1]}/")]
    return str(source)


def test_the_secrets_of_the_page_are_those_that_the_containers_read(typed: ScratchRoot, compose: dict[str, Any]) -> None:
    for secret in compose["secrets"].values():
        typed.run(f"test -s /root/clone/{secret['file']}")
    for name in {secret for service in OURS for secret in compose["services"][service]["secrets"]}:
        assert typed.run(f"stat -c '%u %a' /root/clone/secrets/{name}") == "10001 600\n"
    gitaly, shell = (compose["services"][name] for name in ("gitaly", "gitlab_shell"))
    read = tomllib.loads((ROOT / mounted(gitaly, "/etc/gitaly/config.toml")).read_text())
    configuration = yaml.safe_load((ROOT / mounted(shell, "/srv/gitlab-shell/config.yml")).read_text())
    theirs = [mounted(gitaly, read["auth"]["token_file"]), mounted(gitaly, read["gitlab"]["secret_file"])]
    theirs += [mounted(shell, path) for path in (configuration["secret_file"], *configuration["sshd"]["host_key_files"])]
    for path in theirs:
        assert typed.run(f"stat -c '%u %a' /root/clone/{path}") == "1000 600\n"
    typed.run("cmp /root/clone/secrets/shell_secret /root/clone/secrets/git/shell_secret")


def test_gitlabs_programs_find_the_service_and_each_other(compose: dict[str, Any]) -> None:
    services = compose["services"]
    address = "http://service:3001"
    gitaly = tomllib.loads((ROOT / "deploy/compose/gitaly.toml").read_text())
    shell = yaml.safe_load((ROOT / "deploy/compose/gitlab-shell.yml").read_text())
    assert (gitaly["gitlab"]["url"], shell["gitlab_url"]) == (address, address)
    assert f"-authBackend={address}" in services["workhorse"]["command"]
    assert "service" in services["service"]["environment"]["ALLOWED_HOSTS"].split(",")
    assert gitaly["storage"][0]["path"] == services["gitaly"]["volumes"][0].split(":")[1]
    assert gitaly["listen_addr"].endswith(":8075")
    assert services["gitlab_shell"]["ports"][0].endswith(shell["sshd"]["listen"].rpartition(":")[2])
    assert services["workhorse"]["user"] == "10001"
    (listens,) = re.findall(r"upstream workhorse \{\n +server ([0-9.:]+)", (ROOT / "deploy/nginx.conf").read_text())
    assert (f"-listenAddr={listens}" in services["workhorse"]["command"], services["workhorse"]["network_mode"]) == (True, "service:nginx")
    tomllib.loads((ROOT / "deploy/compose/workhorse.toml").read_text())


def test_configurations_of_one_machine_and_of_containers_differ_in_places_alone() -> None:
    for name, other in (("gitaly/config.toml", "compose/gitaly.toml"), ("gitlab-shell/config.yml", "compose/gitlab-shell.yml")):
        read = tomllib.loads if name.endswith("toml") else yaml.safe_load
        one, two = (read((ROOT / "deploy" / path).read_text()) for path in (name, other))
        assert keys(one) == keys(two)


def keys(value: Any) -> Any:
    """Return the names of a configuration without its values."""
    return {name: keys(inner) for name, inner in value.items()} if isinstance(value, dict) else type(value)


def test_the_variables_of_compose_yaml_are_settings(compose: dict[str, Any]) -> None:
    from settings.environment import OPTIONS, SECRETS  # noqa: PLC0415  only here

    known = {option.name for option in OPTIONS} | {f"{name}_FILE" for name in SECRETS}
    assert set(compose["services"]["service"]["environment"]) <= known
