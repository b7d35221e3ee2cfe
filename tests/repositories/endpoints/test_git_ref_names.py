"""Refs as real git names them: git decides what is legal, its hooks' lines are what the service reads (contract: decisions 10a)."""

import os
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import SSHKey, User
from internal_api.branch_names import is_valid_name
from repositories.models import Project, PushEvent, Webhook
from repositories.policy import Change, parse_changes
from repositories.policy.reasons import Reason
from repositories.services.access import set_member
from repositories.services.protected_refs import protect_branch, protect_tag
from tests.factories import SSHKeyFactory
from tests.receiver import Receiver, receiving
from tests.ref_characters import ILLEGAL, LEGAL
from tests.tasks import run_tasks

PREFIXES = {"branch": "refs/heads/", "tag": "refs/tags/"}
OPERATIONS = ("create", "update", "delete")
REFUSALS = {
    ("branch", "create"): Reason.PROTECTED_BRANCH_CREATION.message,
    ("branch", "update"): Reason.PROTECTED_BRANCH_PUSH.message,
    ("branch", "delete"): Reason.PROTECTED_BRANCH_DELETION.message,
    ("tag", "create"): Reason.PROTECTED_TAG_CREATION.message,
    ("tag", "update"): Reason.PROTECTED_TAG_UPDATE.message,
    ("tag", "delete"): Reason.PROTECTED_TAG_DELETION.message,
}


def names_with(character: str) -> list[str]:
    """A name that ends as `16-stable` does and holds the character, and two that it begins or ends."""
    return [f"16{character}x-stable", f"{character}-stable", f"x-stable{character}"]


@dataclass(frozen=True)
class Pushes:
    """What git's pre-receive hook was given for each operation, and the names of the refs that git then had."""

    lines: dict[tuple[str, str], bytes]
    refs: dict[str, set[bytes]]


def git(directory: Path, *arguments: str | bytes, **environment: str) -> bytes:
    identity = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    isolated = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    environment = {**os.environ, **identity, **isolated, **environment}
    done = subprocess.run(["git", *arguments], cwd=directory, env=environment, capture_output=True, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def pushes(tmp_path_factory: pytest.TempPathFactory) -> Pushes:
    """Real pushes of every name to a bare repository: each ref created, moved and deleted."""
    bare, work = tmp_path_factory.mktemp("bare"), tmp_path_factory.mktemp("work")
    git(bare, "init", "--quiet", "--bare")
    git(work, "init", "--quiet")
    hook = bare / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexec cat > lines\n")
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
    commits = []
    for message in ("first", "second"):
        git(work, "commit", "--quiet", "--allow-empty", "-m", message)
        commits.append(git(work, "rev-parse", "HEAD").decode().strip())
    sources = {"create": commits[0], "update": commits[1], "delete": ""}
    lines, refs = {}, {}
    for kind, prefix in PREFIXES.items():
        names = [name for character in LEGAL for name in names_with(character)]
        for operation in OPERATIONS:
            specs = [f"{sources[operation]}:{prefix}{name}".encode() for name in names]
            git(work, "push", "--quiet", "--force", str(bare), *specs)
            lines[kind, operation] = (bare / "lines").read_bytes()
            if operation == "update":
                refs[kind] = set(git(bare, "for-each-ref", "--format=%(refname)", prefix).split(b"\n")) - {b""}
    return Pushes(lines, refs)


@pytest.fixture
def key(ann: User, rockets: Project) -> SSHKey:
    set_member(rockets, ann, 30)
    return SSHKeyFactory.create(user=ann)


def protect(project: Project, kind: str, name: str) -> None:
    """A rule under which no one does anything; force is allowed, so that nothing is asked of Gitaly."""
    if kind == "branch":
        protect_branch(project, name, {"push": [0], "merge": [0]}, allow_force_push=True)
    else:
        protect_tag(project, name, {"create": [0]})


def ask(shell: Client, key: SSHKey, project: Project, change: Change) -> tuple[int, str | None]:
    question = {
        "action": "git-receive-pack",
        "gl_repository": f"project-{project.pk}",
        "protocol": "ssh",
        "changes": f"{change.oldrev} {change.newrev} {change.ref}\n",
        "key_id": key.pk,
    }
    answer = shell.post("/api/v4/internal/allowed", question, content_type="application/json")
    return answer.status_code, answer.json().get("message")


@pytest.mark.parametrize("kind", PREFIXES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_parsed_refs_are_gits_own(pushes: Pushes, kind: str, operation: str) -> None:
    changes = parse_changes(pushes.lines[kind, operation].decode())
    assert {change.ref.encode() for change in changes} == pushes.refs[kind]
    assert len(changes) == 3 * len(LEGAL)
    assert {(change.creates, change.updates, change.deletes) for change in changes} == {tuple(operation == one for one in OPERATIONS)}


@pytest.mark.parametrize("rule", ["exact", "pattern"])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", PREFIXES)
def test_no_character_of_a_ref_gets_it_past_its_rule(
    shell: Client, key: SSHKey, rockets: Project, pushes: Pushes, kind: str, operation: str, rule: str
) -> None:
    changes = parse_changes(pushes.lines[kind, operation].decode())
    if rule == "pattern":
        protect(rockets, kind, "*-stable")
        for character in LEGAL:
            protect(rockets, kind, f"x*{character}")
    for change in changes:
        name = change.ref.removeprefix(PREFIXES[kind])
        if rule == "exact":
            assert ask(shell, key, rockets, change) == (200, None), ascii(change.ref)
            protect(rockets, kind, name)
        assert ask(shell, key, rockets, change) == (401, REFUSALS[kind, operation]), ascii(change.ref)


def test_a_rule_for_one_ref_is_no_rule_for_a_name_that_looks_like_it(shell: Client, key: SSHKey, rockets: Project) -> None:
    protect(rockets, "branch", "a\u00a0b")
    for name in ("a", "ab", "a\u2003b", "b"):
        assert ask(shell, key, rockets, Change("1" * 40, "2" * 40, f"refs/heads/{name}")) == (200, None)


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.WEBHOOK_ALLOWED_TARGETS = ["127.0.0.1"]
    settings.WEBHOOK_TIMEOUT = 5
    with receiving() as running:
        yield running


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", PREFIXES)
def test_events_and_webhooks_name_the_ref_that_moved(
    shell: Client, key: SSHKey, rockets: Project, pushes: Pushes, receiver: Receiver, kind: str, operation: str
) -> None:
    Webhook.objects.create(project=rockets, url=receiver.url, push_events=True, tag_push_events=True)
    moved = sorted(pushes.refs[kind])
    lines = pushes.lines[kind, operation].decode()
    for start in range(0, len(moved), 3):  # one push of more refs than a webhook's limit is told as a summary
        told: dict[str, Any] = {
            "gl_repository": f"project-{rockets.pk}",
            "identifier": f"key-{key.pk}",
            "changes": "\n".join(
                sorted(lines.rstrip("\n").split("\n"), key=lambda line: line.partition("refs/")[2].encode())[start : start + 3]
            ),
        }
        assert shell.post("/api/v4/internal/post_receive", told, content_type="application/json").status_code == 200
    run_tasks()
    events = [change[2].encode() for event in PushEvent.objects.order_by("pk") for change in event.changes]
    assert events == moved
    assert [ref.encode() for ref in receiver.refs()] == moved


def is_legal(ref: str, *options: str) -> bool:
    """Whether git accepts the name of a ref."""
    done = subprocess.run(["git", "check-ref-format", *options, ref.encode()], capture_output=True, check=False)
    return done.returncode == 0


PIECES = ["@", "@{", "a", "-", ".", "..", "/", "//", ".lock", "lock", "HEAD", "~", "^", ":", "?", "*", "[", "]", "\\", "{", "é", "\x7f"]
TRAPS = ("-", "refs/heads/", "refs/remotes/")


def names() -> Iterator[str]:
    for first in PIECES:
        yield first
        for second in (*PIECES, "b"):
            yield first + second
            yield f"a{first}{second}b"
    for character in (" ", "\t", *LEGAL, *ILLEGAL):
        yield from (character, f"{character}b", f"a{character}", f"a{character}b")


def test_a_branch_name_is_legal_where_git_says_so() -> None:
    """Contract: allowed 5.4 row 3, a legal ref component; beyond that HEAD and names that trap people are refused."""
    everything = sorted(set(names()))
    legal = [name for name in everything if is_legal(f"refs/heads/{name}")]
    accepted = [name for name in everything if is_valid_name(name)]
    assert accepted == [name for name in legal if name != "HEAD" and not name.startswith(TRAPS)]
    assert {"@", *LEGAL} <= set(accepted)
    assert len(accepted) > 100
    assert len(everything) - len(accepted) > 100


@pytest.mark.parametrize("character", [*ILLEGAL, *map(chr, range(1, 0x1C)), "\x7f"])
def test_what_git_refuses_as_a_character_arrives_in_no_line(shell: Client, key: SSHKey, rockets: Project, character: str) -> None:
    """A control character: git makes no such ref; a line that has one is not git's and is refused as malformed."""
    ref = f"refs/heads/a{character}b"
    assert not is_legal(ref)
    status, message = ask(shell, key, rockets, Change("1" * 40, "0" * 40, ref))
    assert status == 400
    assert (message or "").startswith("400 Bad request - Line ")


def test_a_branch_called_at_can_be_pushed(shell: Client, key: SSHKey, rockets: Project) -> None:
    assert is_legal("refs/heads/@")
    for oldrev, newrev in (("0" * 40, "1" * 40), ("1" * 40, "2" * 40), ("1" * 40, "0" * 40)):
        assert ask(shell, key, rockets, Change(oldrev, newrev, "refs/heads/@")) == (200, None)
