"""Rules that hold whatever is asked for: the instance, the way in, the key, the account, the command (contract: allowed 4.3, 1 to 12)."""

from dataclasses import replace

from repositories.policy.abilities import actor_can_read
from repositories.policy.accounts import account_denial
from repositories.policy.facts import Action, RepositoryType
from repositories.policy.reasons import Reason
from repositories.policy.request import AccessRequest
from repositories.policy.verdicts import Denied

_PULLS = frozenset({Action.UPLOAD_PACK, Action.UPLOAD_ARCHIVE})


def instance_accepts_pushes(request: AccessRequest) -> Denied | None:
    """During maintenance pulls go on."""
    if request.instance.read_only and request.is_push:
        return Denied(Reason.READ_ONLY_INSTANCE, request.instance.read_only_message or Reason.READ_ONLY_INSTANCE.message)
    return None


def second_factor_is_satisfied(request: AccessRequest) -> Denied | None:
    """Over SSH, people with a second factor have shown it lately, where the instance wants that (contract: allowed 2.7)."""
    user, instance = request.actor.account, request.instance
    if not instance.require_two_factor_for_git or user is None or request.protocol != "ssh":
        return None
    if not user.two_factor_enabled or user.has_otp_session:
        return None
    port = "" if instance.ssh_port == 22 else f"-p {instance.ssh_port} "  # noqa: PLR2004  SSH's own port
    command = f"ssh {instance.ssh_user}@{instance.ssh_host} {port}2fa_verify"
    return Denied.because_of(Reason.OTP_REQUIRED, command=command)


def protocol_is_enabled(request: AccessRequest) -> Denied | None:
    """The instance may leave only one protocol open."""
    only = request.instance.enabled_git_access_protocol
    return protocol_denial(request) if only and request.protocol not in (only, "web") and not request.is_lfs else None


def protocol_denial(request: AccessRequest) -> Denied:
    """The refusal of a protocol, by the instance or by a group."""
    return Denied.because_of(Reason.PROTOCOL_NOT_ALLOWED, protocol=request.protocol.upper())


def ssh_key_is_acceptable(request: AccessRequest) -> Denied | None:
    """A key the site's rules accept, not expired, and of somebody who may use keys (contract: allowed 2.4)."""
    key = request.actor.key
    if key is None:
        return None
    if key.problem is not None:
        return Denied.because_of(Reason.KEY_TOO_WEAK, problem=key.problem)
    if key.expired:
        return Denied.because_of(Reason.KEY_EXPIRED)
    user = request.actor.account
    if user is not None and user.ssh_keys_disabled:
        return Denied.because_of(Reason.SSH_KEYS_DISABLED)
    return None


def account_is_active(request: AccessRequest) -> Denied | None:
    """A deploy key's owner is not looked at here: a blocked owner does not stop a pull (contract: allowed 2.5)."""
    user = request.actor.account
    if user is not None and user.locked and not request.is_closed_by_lock:
        user = replace(user, locked=False)
    return None if user is None else account_denial(user, request.instance)


def credential_scope_allows_command(request: AccessRequest) -> Denied | None:
    """A personal access token is good for what its scopes say (contract: allowed 4.3 row 8, git-http 2.3)."""
    if request.action in _PULLS and not request.credential.pull:
        return Denied.because_of(Reason.SCOPE_WITHOUT_PULL)
    if request.is_push and not request.credential.push:
        return Denied.because_of(Reason.SCOPE_WITHOUT_PUSH)
    return None


def command_is_supported(request: AccessRequest) -> Denied | None:
    """The three commands of Git, of which HTTP may leave some off."""
    if request.protocol == "http" and not request.is_lfs:
        if request.action in _PULLS and not request.instance.http_pull:
            return Denied.because_of(Reason.HTTP_PULL_OFF)
        if request.is_push and not request.instance.http_push:
            return Denied.because_of(Reason.HTTP_PUSH_OFF)
    if request.action not in _PULLS and not request.is_push and not _has_no_commands(request):
        return Denied.because_of(Reason.UNKNOWN_COMMAND)
    return None


def _has_no_commands(request: AccessRequest) -> bool:
    """A design, there or not, is refused or reported missing whatever the command (contract: allowed 10.3 #58).

    A project that is really called `x.design` is served like any other, by those who may know of it.
    """
    if request.named_type != RepositoryType.DESIGN:
        return False
    project = request.project
    return project is None or request.repository_type == RepositoryType.DESIGN or not actor_can_read(request.actor, project)
