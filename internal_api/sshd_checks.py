"""What may be wrong with the sshd_config of an OpenSSH in front of GitLab Shell (docs/deployment/openssh.md has one that works)."""

import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from internal_api.doctor import Consultation, Finding, problem, warning, well
from internal_api.sshd_config import KEYS_COMMAND, PRINCIPALS_COMMAND, SSHDConfig, read_sshd_config

NAME = "sshd_config"
KEYS_PROGRAM = "gitlab-shell-authorized-keys-check"
PRINCIPALS_PROGRAM = "gitlab-shell-authorized-principals-check"
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def check_sshd(consultation: Consultation) -> Iterator[Finding]:
    """Check the file that --sshd-config names, for the user of SSH_URL."""
    if consultation.sshd_config is None:
        return
    user = urlsplit(settings.SSH_URL).username or "git"
    path = Path(consultation.sshd_config)
    try:
        config = read_sshd_config(path, user)
    except (OSError, ValueError) as error:
        yield problem(NAME, f"{path} cannot be read: {error}", "Name the file that sshd reads, such as /etc/ssh/sshd_config.")
        return
    findings = [*_keys(config, user), *_certificates(config, user), *_passwords(config, user), *_environment(config), *_programs(config)]
    yield from findings or [well(NAME, _summary(path, config))]


def _summary(path: Path, config: SSHDConfig) -> str:
    if not config.get("trustedusercakeys"):
        return f"{path}: keys are looked up here, certificates are not accepted"
    return f"{path}: keys are looked up here; the trusted authority may name any user of this instance"


def _keys(config: SSHDConfig, user: str) -> Iterator[Finding]:
    """Keys come from this service, each with a forced command, and from nowhere else."""
    command = config.get(KEYS_COMMAND)
    wanted = f"AuthorizedKeysCommand /opt/gitlab-shell/bin/{KEYS_PROGRAM} {user} %u %k"
    if not command:
        yield problem(NAME, f"no AuthorizedKeysCommand holds for {user}: no key of this service is found", f"Add `{wanted}`.")
    elif "%k" not in command:
        yield problem(NAME, "AuthorizedKeysCommand does not pass the key (%k) on", f"Write `{wanted}`.")
    elif _arguments(command, KEYS_PROGRAM) not in (None, [user, "%u", "%k"]):
        text = f"the arguments of {KEYS_PROGRAM} must be `{user} %u %k`, in that order: no key is found otherwise"
        yield problem(NAME, text, f"Write `{wanted}`.")
    if command and not config.get(f"{KEYS_COMMAND}user"):
        yield problem(NAME, "AuthorizedKeysCommand has no AuthorizedKeysCommandUser", f"Add `AuthorizedKeysCommandUser {user}`.")
    if (files := config.get("authorizedkeysfile")) and not config.get("forcecommand"):
        text = f"keys in {files} of {user} are accepted too, and open a shell where they have no forced command"
        yield warning(NAME, text, "Add `AuthorizedKeysFile none`.")


def _certificates(config: SSHDConfig, user: str) -> Iterator[Finding]:
    """Certificates of a trusted authority get a forced command by the principals' command, or open a shell."""
    if not config.get("trustedusercakeys"):
        return
    command = config.get(PRINCIPALS_COMMAND)
    shell = f"a certificate of a trusted authority with principal `{user}` opens a shell as {user}"
    for line in config.dropped:
        text = f"{line.place}: AuthorizedPrincipalsCommand stands after AuthorizedKeysCommand, and OpenSSH 9.2 drops it: {shell}"
        yield problem(NAME, text, "Put AuthorizedPrincipalsCommand before AuthorizedKeysCommand.")
    if config.get("forcecommand"):
        return
    wanted = f"AuthorizedPrincipalsCommand /opt/gitlab-shell/bin/{PRINCIPALS_PROGRAM} %i {user}"
    if not command and config.get("authorizedprincipalsfile"):
        text = "AuthorizedPrincipalsFile names principals, and one without a forced command opens a shell"
        yield warning(NAME, text, f"Add `{wanted}` before AuthorizedKeysCommand, with its User line.")
    elif not command and not config.dropped:
        text = f"TrustedUserCAKeys without AuthorizedPrincipalsCommand: {shell}"
        yield problem(NAME, text, f"Add `{wanted}` before AuthorizedKeysCommand, with its User line.")
    elif command:
        yield from _principals_arguments(command, user, wanted)
    if command and not config.get(f"{PRINCIPALS_COMMAND}user"):
        text = "AuthorizedPrincipalsCommand has no AuthorizedPrincipalsCommandUser"
        yield problem(NAME, text, f"Add `AuthorizedPrincipalsCommandUser {user}`.")


def _arguments(command: str, program: str) -> list[str] | None:
    """Return the arguments of GitLab Shell's own program; None for a command that runs another one, such as a wrapper."""
    words = shlex.split(command)
    return words[1:] if Path(words[0]).name == program else None


def _principals_arguments(command: str, user: str, wanted: str) -> Iterator[Finding]:
    """Check that the key id comes first and the user, perhaps among other principals, after it."""
    arguments = _arguments(command, PRINCIPALS_PROGRAM)
    if "%i" not in command:
        yield problem(NAME, "AuthorizedPrincipalsCommand does not pass the certificate's key id (%i) on", f"Write `{wanted}`.")
    elif arguments is not None and (arguments[:1] != ["%i"] or user not in arguments[1:]):
        text = f"the arguments of {PRINCIPALS_PROGRAM} must be `%i {user}`, in that order: no certificate is accepted otherwise"
        yield problem(NAME, text, f"Write `{wanted}`.")


def _passwords(config: SSHDConfig, user: str) -> Iterator[Finding]:
    """A password opens a shell; it has no forced command of its own."""
    if config.get("forcecommand"):
        return
    keywords = {"PasswordAuthentication": True, "KbdInteractiveAuthentication": config.get("usepam").lower() == "yes"}
    for keyword, asks_for_password in keywords.items():
        value = config.get(keyword.lower())
        if asks_for_password and value.lower() != "no":
            text = f"{keyword} is {value}: whoever knows or guesses a password of {user} gets a shell"
            yield warning(NAME, text, f"Write `{keyword} no`.")


def _environment(config: SSHDConfig) -> Iterator[Finding]:
    """GIT_PROTOCOL comes through, and nothing that a key's line says."""
    if "GIT_PROTOCOL" not in config.get("acceptenv").split() and "GIT_*" not in config.get("acceptenv").split():
        yield warning(NAME, "AcceptEnv lacks GIT_PROTOCOL: Git falls back to protocol version 0", "Add `AcceptEnv GIT_PROTOCOL`.")
    if (value := config.get("permituserenvironment")) != "no":
        text = f"PermitUserEnvironment is {value}: a key's line may set variables such as LD_PRELOAD for the forced command"
        yield problem(NAME, text, "Write `PermitUserEnvironment no`.")


def _programs(config: SSHDConfig) -> Iterator[Finding]:
    """Sshd runs only what nobody but root can replace."""
    for keyword in (KEYS_COMMAND, PRINCIPALS_COMMAND):
        words = shlex.split(config.get(keyword))
        if words and (text := _unsafe(Path(words[0]))):
            yield problem(NAME, text, "Let root own the program and every directory above it, and nobody else write to them.")


def _unsafe(program: Path) -> str:
    """Return why sshd would refuse to run a program; empty where it would not."""
    for path in (program, *program.parents):
        try:
            found = path.stat()
        except OSError as error:
            return f"{path} cannot be examined: {error.strerror}"
        if found.st_uid != 0 or found.st_mode & _OTHERS_MAY_WRITE:
            return f"sshd refuses to run {program}: {path} belongs to user {found.st_uid} with mode {stat.S_IMODE(found.st_mode):04o}"
    return ""
