"""What `doctor --sshd-config` says about an sshd_config, read as sshd reads it (tests/live shows the real one)."""

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from internal_api import sshd_checks, sshd_config
from internal_api.doctor import Consultation, Finding, Level
from internal_api.sshd_config import read_sshd_config

KEYS = "AuthorizedKeysCommand /usr/bin/env keys %u %k\nAuthorizedKeysCommandUser git\nAuthorizedKeysFile none\nPasswordAuthentication no\n"
PRINCIPALS = "AuthorizedPrincipalsCommand /usr/bin/env principals %i git\nAuthorizedPrincipalsCommandUser git\n"
AUTHORITY = "TrustedUserCAKeys /etc/ssh/ca.pub\n"
GOOD = f"AcceptEnv LANG GIT_PROTOCOL\n{AUTHORITY}{PRINCIPALS}{KEYS}"
OWN = GOOD.replace("/usr/bin/env keys", "/opt/shell/gitlab-shell-authorized-keys-check git").replace(
    "/usr/bin/env principals", "/opt/shell/gitlab-shell-authorized-principals-check"
)
"""With the programs of GitLab Shell, which are not installed here."""


@pytest.fixture(autouse=True)
def without_sshd(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file as we read it, where sshd cannot be asked."""
    settings.SSH_URL = "ssh://git@git.example.com:2222"
    monkeypatch.setattr(sshd_config, "SSHD", Path("/nowhere/sshd"))


def findings(tmp_path: Path, text: str) -> list[Finding]:
    path = tmp_path / "sshd_config"
    path.write_text(text)
    return list(sshd_checks.check_sshd(Consultation(sshd_config=str(path))))


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.replace(" ", "\t", 1),
        f"acceptenv=GIT_PROTOCOL\nAcceptEnv LANG\n# {KEYS}\nMatch User git,gitlab\n{AUTHORITY}{PRINCIPALS}{KEYS}Match User ann\nForceCommand x\n",
        f"{GOOD}AuthorizedPrincipalsCommand none\n",
        f"{GOOD}AuthorizedPrincipalsCommand /usr/bin/env other %i git\n",
        f"{GOOD}UsePAM yes\nKbdInteractiveAuthentication no\n",
        f"{KEYS}Match User *,!root\n{GOOD}",
        f"AcceptEnv GIT_*\n{KEYS}",
        f"AcceptEnv GIT_PROTOCOL\n{AUTHORITY}ForceCommand /bin/false\n{KEYS}",
    ],
)
def test_what_works_is_ok(tmp_path: Path, text: str) -> None:
    (found,) = findings(tmp_path, text)
    assert (found.level, found.advice) == (Level.WELL, "")


@pytest.mark.parametrize(
    ("text", "level", "told", "advice"),
    [
        (f"AcceptEnv GIT_PROTOCOL\n{AUTHORITY}{KEYS}{PRINCIPALS}", Level.PROBLEM, "opens a shell as git", "before AuthorizedKeysCommand"),
        (GOOD.replace(PRINCIPALS, ""), Level.PROBLEM, "opens a shell as git", "%i git` before AuthorizedKeysCommand"),
        (
            f"{GOOD.replace(PRINCIPALS, '')}AuthorizedPrincipalsFile /etc/ssh/principals\n",
            Level.WARNING,
            "one without a forced command opens a shell",
            "before AuthorizedKeysCommand",
        ),
        (GOOD.replace("principals %i", "principals"), Level.PROBLEM, "key id (%i)", "%i git`"),
        (GOOD.replace("AuthorizedPrincipalsCommandUser git\n", ""), Level.PROBLEM, "has no AuthorizedPrincipalsCommandUser", "Add"),
        (GOOD.replace("AuthorizedKeysCommand /usr/bin/env keys %u %k\n", ""), Level.PROBLEM, "no key of this service is found", "%u %k"),
        (GOOD.replace("%u %k", "%u"), Level.PROBLEM, "does not pass the key (%k) on", "%u %k"),
        (GOOD.replace("AuthorizedKeysCommandUser git\n", ""), Level.PROBLEM, "has no AuthorizedKeysCommandUser", "Add"),
        (GOOD.replace("AuthorizedKeysFile none\n", ""), Level.WARNING, ".ssh/authorized_keys", "AuthorizedKeysFile none"),
        (GOOD.replace("GIT_PROTOCOL", "LC_*"), Level.WARNING, "lacks GIT_PROTOCOL", "AcceptEnv GIT_PROTOCOL"),
        (GOOD.replace("PasswordAuthentication no", "PasswordAuthentication yes"), Level.WARNING, "PasswordAuthentication is yes", "no`"),
        (GOOD.replace("PasswordAuthentication no\n", ""), Level.WARNING, "PasswordAuthentication is yes", "no`"),
        (f"{GOOD}UsePAM yes\n", Level.WARNING, "KbdInteractiveAuthentication is yes", "no`"),
        (OWN.replace("check git %u %k", "check %u %k"), Level.PROBLEM, "must be `git %u %k`, in that order", "check git %u %k`"),
        (OWN.replace("check git %u %k", "check git %k %u"), Level.PROBLEM, "must be `git %u %k`, in that order", "check git %u %k`"),
        (f"Match User git\n{OWN.replace('%i git', 'git %i')}", Level.PROBLEM, "must be `%i git`, in that order", "check %i git`"),
        (OWN.replace("%i git", "%i"), Level.PROBLEM, "must be `%i git`, in that order", "check %i git`"),
        (f"{GOOD}PermitUserEnvironment yes\n", Level.PROBLEM, "PermitUserEnvironment is yes", "no"),
        (GOOD.replace("/usr/bin/env keys", "/nowhere/keys"), Level.PROBLEM, "/nowhere/keys cannot be examined", "root"),
        (f"Match User ann\n{GOOD}", Level.PROBLEM, "no AuthorizedKeysCommand holds for git", "Add"),
        (f"Match User git Address 10.0.0.0/8\n{GOOD}", Level.PROBLEM, "no AuthorizedKeysCommand holds for git", "Add"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_write(tmp_path: Path, text: str, level: Level, told: str, advice: str) -> None:
    assert any(found.level == level and told in found.text and advice in found.advice for found in findings(tmp_path, text))


def test_the_order_matters_within_the_same_scope_only(tmp_path: Path) -> None:
    """A `Match` is read by itself: a global keys' command does not drop the principals' command below it."""
    assert [found.level for found in findings(tmp_path, f"{KEYS}Match User git\n{GOOD}")] == [Level.WELL]
    wrong = findings(tmp_path, f"AcceptEnv GIT_PROTOCOL\nMatch User git\n{AUTHORITY}{KEYS}{PRINCIPALS}")
    assert [found.level for found in wrong] == [Level.PROBLEM]
    assert f"{tmp_path}/sshd_config:8: AuthorizedPrincipalsCommand stands after" in wrong[0].text


def test_the_program_must_be_roots_alone(tmp_path: Path) -> None:
    """OpenSSH would refuse to run it; what it says is in its own log only."""
    program = tmp_path / "keys"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o777)
    (found,) = findings(tmp_path, GOOD.replace("/usr/bin/env keys", str(program)))
    assert (found.level, f"sshd refuses to run {program}: {program} belongs to user" in found.text) == (Level.PROBLEM, True)


def test_included_files_are_read_in_their_place(tmp_path: Path) -> None:
    (tmp_path / "inner.conf").write_text(KEYS)
    text = f"AcceptEnv GIT_PROTOCOL\n{AUTHORITY}Include {tmp_path}/*.conf\n{PRINCIPALS}"
    (found,) = findings(tmp_path, text)
    assert "stands after AuthorizedKeysCommand" in found.text
    (tmp_path / "inner.conf").write_text(f"Include {tmp_path}/inner.conf\n")
    (found,) = findings(tmp_path, text)
    assert "included too deeply" in found.text


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    (found,) = sshd_checks.check_sshd(Consultation(sshd_config=str(tmp_path / "nothing")))
    assert (found.level, "cannot be read" in found.text) == (Level.PROBLEM, True)
    assert list(sshd_checks.check_sshd(Consultation())) == []


def test_the_first_value_holds_and_a_match_overrides(tmp_path: Path) -> None:
    path = tmp_path / "sshd_config"
    path.write_text('PermitUserEnvironment "no"\nForceCommand a\nForceCommand b\nMatch User git\nForceCommand c\n')
    assert read_sshd_config(path, "git").get("forcecommand") == "c"
    assert read_sshd_config(path, "ann").get("forcecommand") == "a"
    assert read_sshd_config(path, "ann").get("permituserenvironment") == "no"
