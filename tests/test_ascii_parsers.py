"""Names, ids and paths are ASCII: no parser takes another alphabet's digit, letter or blank for one (contract: decisions 10a)."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import ExtraEmail, SSHKey, User
from accounts.selectors.actors import NOBODY, ActorKind, identified_actor
from internal_api.parameters import Parameters
from internal_api.text import ascii_lower
from repositories.models import Project
from repositories.services.access import set_member
from tests.factories import GroupFactory, ProjectFactory, SSHKeyFactory, UserFactory

ROOT = Path(__file__).resolve().parents[1]
APPS = ("internal_api", "accounts", "repositories", "git_http", "kubernetes_agent", "scim", "storage_limits")
CLASSES = ("\\s", "\\d", "\\w", "\\b", "\\S", "\\D", "\\W", "\\B")
PREDICATES = {"isdigit", "isalnum", "isalpha", "isdecimal", "isnumeric", "isspace"}
EXEMPT = {
    ("scim/masking.py", "password|secret|(token|key)\\Z"): "masks rather too much than too little",
    ("internal_api/email_domains.py", "isalnum"): "a domain may be written in any alphabet",
    ("repositories/gitaly_address.py", "isspace"): "refuses what is white space in any alphabet",
    ("accounts/services/token_requests.py", "isalpha"): "of text that an ASCII pattern has matched",
}
NAMED = {  # modules that look up by name: only `ascii_lower` makes lower case there
    "accounts/selectors/actors.py",
    "accounts/services/lfs_tokens.py",
    "repositories/selectors/facts.py",
    "repositories/selectors/namespaces.py",
}

STORED = {"repositories/selectors/facts.py": ["row[_PROJECT + 1].lower()"]}
"""Of what the database holds, which is ASCII."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            if "migrations" not in path.parts:
                yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def unicode_patterns(tree: ast.Module) -> Iterator[str]:
    """Patterns with a class or with IGNORECASE, and without re.ASCII."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
            continue
        if not isinstance(node.func.value, ast.Name) or node.func.value.id != "re":
            continue
        text = "".join(one.value for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant) and isinstance(one.value, str))
        flags = {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}
        if "ASCII" not in flags and ("IGNORECASE" in flags or any(one in text for one in CLASSES)):
            yield text


def unicode_predicates(tree: ast.Module) -> Iterator[str]:
    """Calls of `isdigit` and the like that no `isascii` goes before."""
    guarded = {id(one) for node in ast.walk(tree) if isinstance(node, ast.BoolOp) and "isascii" in ast.dump(node) for one in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in PREDICATES and id(node) not in guarded:
            yield node.func.attr


def test_every_pattern_and_predicate_is_for_ascii() -> None:
    found = {(name, what) for name, tree in modules() for what in (*unicode_patterns(tree), *unicode_predicates(tree))}
    assert found == set(EXEMPT)


def test_names_that_are_looked_up_are_lowered_as_ascii() -> None:
    lowering = {"lower", "casefold", "upper"}
    for name in NAMED:
        tree = ast.parse((ROOT / name).read_text())
        calls = [
            ast.unparse(node)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in lowering
        ]
        assert calls == STORED.get(name, []), name


@pytest.mark.parametrize("text", ["re.compile(r'\\d')", "re.match('a\\\\s', x)", "re.search('k', x, re.IGNORECASE)", "x.isdigit()"])
def test_the_searches_find_what_they_look_for(text: str) -> None:
    tree = ast.parse(text)
    assert [*unicode_patterns(tree), *unicode_predicates(tree)]


@pytest.mark.parametrize("text", ["\u0662", "\uff11\uff15", "\u0967", "\u00b2", "\u00a07", "\u30007"])
def test_other_digits_and_blanks_name_nobody(text: str) -> None:
    assert Parameters({"user_id": text}).record_id("user_id") == 0
    for kind in ("user", "key"):
        assert identified_actor(f"{kind}-{text}") == NOBODY


@pytest.mark.parametrize(
    ("text", "lowered"),
    [("AbZ", "abz"), ("\u212aEY", "\u212aey"), ("\u0130X", "\u0130x"), ("\u00c9A", "\u00c9a")],
)
def test_lower_case_is_ascii(text: str, lowered: str) -> None:
    assert ascii_lower(text) == lowered
    assert identified_actor(f"username-{text}").value == lowered
    assert identified_actor(f"username-{text}").kind == ActorKind.USERNAME


@pytest.fixture
def key(db: None) -> SSHKey:
    return SSHKeyFactory.create(user=UserFactory.create(id=15, username="kim"))


def ask(shell: Client, **values: Any) -> Any:
    question = {"action": "git-upload-pack", "protocol": "ssh", "changes": "_any", **values}
    return shell.post("/api/v4/internal/allowed", question, content_type="application/json")


def test_look_alikes_of_a_user_and_a_path_open_nothing(shell: Client, key: SSHKey) -> None:
    project: Project = ProjectFactory.create(namespace=GroupFactory.create(path="kiosk"), path="desk")
    assert key.user is not None
    set_member(project, key.user, 30)
    for who in ({"user_id": "15"}, {"username": "Kim"}, {"identifier": "user-15"}):
        assert ask(shell, project="Kiosk/DESK.git", **who).status_code == 200
    for nobody in ({"user_id": "\uff11\uff15"}, {"user_id": "\u0661\u0665"}, {"username": "\u212aim"}, {"identifier": "username-\u212aim"}):
        assert ask(shell, project="kiosk/desk", **nobody).status_code == 404, nobody
    missing = ask(shell, project="kiosk/nothing", user_id="15").content
    assert ask(shell, project="\u212aiosk/desk", user_id="15").status_code == 404
    assert ask(shell, project="kiosk/des\u212a", user_id="15").status_code == 404
    assert b"could not be found" in missing


def test_addresses_are_compared_in_any_letter_case_when_they_are_ascii(key: SSHKey) -> None:
    assert key.user is not None
    ExtraEmail.objects.create(user=key.user, email="kim@work.example")
    User.objects.filter(pk=15).update(email="kim@example.com")
    assert User.matching_email("KIM@example.com").get() == key.user
    assert ExtraEmail.matching_email("Kim@WORK.example").get().user == key.user
    assert not User.matching_email("\u212aim@example.com").exists()
    assert not ExtraEmail.matching_email("\u212aim@work.example").exists()
    User.objects.filter(pk=15).update(email="\u00c9va@example.com")
    assert User.matching_email("\u00c9va@example.com").exists()
