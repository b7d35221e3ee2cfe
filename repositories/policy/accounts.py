"""Whether an account may use Git at all: the first row that matches gives the message (contract: allowed 2.6)."""

from repositories.policy.abilities import can_read_project
from repositories.policy.facts import Instance, Project, User
from repositories.policy.reasons import Reason
from repositories.policy.verdicts import Denied

_MAY_USE_GIT = frozenset({"human", "project_bot", "service_user", "service_account", "security_bot", "security_policy_bot"})
_BLOCKED = frozenset({"blocked", "ldap_blocked", "banned"})


def account_denial(user: User, instance: Instance) -> Denied | None:
    """Why this account is kept out, or None."""
    if user.user_type not in _MAY_USE_GIT:
        return Denied.because_of(Reason.INTERNAL_USER)
    if user.state == "active" and not instance.enforce_terms:
        return _denial_of_active(user, instance)
    denied = _denial_by_state(user, instance)
    return _denial_of_active(user, instance) if denied is None else denied


def _denial_by_state(user: User, instance: Instance) -> Denied | None:
    if user.state == "blocked_pending_approval":
        return Denied.because_of(Reason.PENDING_APPROVAL)
    if instance.enforce_terms and not user.terms_accepted:
        return Denied.because_of(Reason.TERMS_NOT_ACCEPTED, username=user.username, url=instance.external_url)
    if user.state == "deactivated":
        return Denied.because_of(Reason.DEACTIVATED, url=instance.external_url)
    return None


def _denial_of_active(user: User, instance: Instance) -> Denied | None:
    if user.needs_email_confirmation:
        url = f"{instance.external_url}/users/confirmation/new"
        return Denied.because_of(Reason.EMAIL_NOT_CONFIRMED, url=url)
    if user.state in _BLOCKED:
        return Denied.because_of(Reason.BLOCKED)
    if user.password_expired:
        return Denied.because_of(Reason.PASSWORD_EXPIRED)
    if user.locked or user.state != "active":
        return Denied.because_of(Reason.BLOCKED)
    return None


def deploy_key_may_act_for(owner: User | None, instance: Instance, project: Project) -> bool:
    """Whether a deploy key may change something in its owner's name (contract: allowed 5.3).

    The owner must exist, be allowed to use Git, and be able to read the project.
    """
    return owner is not None and account_denial(owner, instance) is None and can_read_project(owner, project)
