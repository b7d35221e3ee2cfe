"""Each reason is reachable: for every one there is a situation in which the whole policy gives it."""

from dataclasses import replace
from typing import Any

import pytest

from repositories.policy import (
    AccessRequest,
    Actor,
    BranchRule,
    Change,
    Credential,
    Denied,
    Destination,
    HasNewCommits,
    Instance,
    IsForced,
    Key,
    KeyKind,
    LacksLFSObjects,
    Project,
    Protection,
    Reason,
    Role,
    TagRule,
    User,
    decide,
)
from tests.repositories.policy.questions import NOBODY, PULL, PUSH, READING_KEY, STRANGER, ask, member, project
from tests.repositories.policy.test_ref_updates import DEVELOPER, MAINTAINER, NEW, OLD, SHA1, create, delete, roles, update

R = project()


def account(**fields: Any) -> AccessRequest:
    user = replace(User(7, "ann", role=Role.DEVELOPER), **fields)
    return ask(Actor(Key(11), user), PULL, R)


def key(**fields: Any) -> AccessRequest:
    return ask(replace(DEVELOPER, key=Key(11, **fields)), PULL, R)


def pushed(change: Change, what: Project = R, actor: Actor = DEVELOPER, **fields: Any) -> AccessRequest:
    return ask(actor, PUSH, what, changes=(change,), **fields)


DESTINATION = Destination(namespace_id=1, root_path="acme", may_create=True)
NO_ONE = Protection((BranchRule("p*", roles(0), roles(0)),), (TagRule("p*", roles(0)),))
MERGERS = Protection((BranchRule("p*", roles(0), roles(30)),))
FORCED = {IsForced(OLD, NEW): True}
REPORTERS_KEY = Actor(Key(2, KeyKind.DEPLOY, enabled=True, can_push=True), User(7, role=Role.REPORTER))

SITUATIONS: dict[Reason, AccessRequest] = {
    Reason.READ_ONLY_INSTANCE: ask(DEVELOPER, PUSH, R, instance=Instance(read_only=True)),
    Reason.DESIGN_ONLY_ON_THE_WEB: ask(DEVELOPER, PULL, R, repository_type="design"),
    Reason.OTP_REQUIRED: replace(account(two_factor_enabled=True), instance=Instance(require_two_factor_for_git=True)),
    Reason.PROTOCOL_NOT_ALLOWED: ask(DEVELOPER, PULL, R, instance=Instance(enabled_git_access_protocol="http")),
    Reason.KEY_TOO_WEAK: key(problem="must be at least 4096 bits"),
    Reason.KEY_EXPIRED: key(expired=True),
    Reason.SSH_KEYS_DISABLED: account(ssh_keys_disabled=True),
    Reason.INTERNAL_USER: account(user_type="support_bot"),
    Reason.PENDING_APPROVAL: account(state="blocked_pending_approval"),
    Reason.TERMS_NOT_ACCEPTED: replace(account(terms_accepted=False), instance=Instance(enforce_terms=True)),
    Reason.DEACTIVATED: account(state="deactivated"),
    Reason.EMAIL_NOT_CONFIRMED: account(needs_email_confirmation=True),
    Reason.BLOCKED: account(state="blocked"),
    Reason.PASSWORD_EXPIRED: account(password_expired=True),
    Reason.SCOPE_WITHOUT_PULL: ask(DEVELOPER, PULL, R, credential=Credential(pull=False)),
    Reason.SCOPE_WITHOUT_PUSH: ask(DEVELOPER, PUSH, R, credential=Credential(push=False)),
    Reason.HTTP_PULL_OFF: ask(DEVELOPER, PULL, R, protocol="http", instance=Instance(http_pull=False)),
    Reason.HTTP_PUSH_OFF: ask(DEVELOPER, PUSH, R, protocol="http", instance=Instance(http_push=False)),
    Reason.UNKNOWN_COMMAND: ask(DEVELOPER, "git-annex-shell", R),
    Reason.NAMESPACE_NOT_ALLOWED: ask(DEVELOPER, PULL, project(root_enforces_ssh_certificates=True)),
    Reason.NAMESPACE_NOT_FOUND: ask(DEVELOPER, PULL, None, path="rockets"),
    Reason.NAMESPACE_ARCHIVED: ask(DEVELOPER, PUSH, None, path="acme/fresh", destination=replace(DESTINATION, archived=True)),
    Reason.PROJECTS_LIMIT_REACHED: ask(DEVELOPER, PUSH, None, path="acme/fresh", destination=replace(DESTINATION, has_room=False)),
    Reason.PROJECT_NOT_FOUND: ask(STRANGER, PULL, R),
    Reason.WIKI_NOT_FOUND: ask(STRANGER, PULL, R, repository_type="wiki"),
    Reason.RULES_UNREADABLE: ask(DEVELOPER, PULL, project(has_unreadable_rules=True)),
    Reason.ADDRESS_NOT_ALLOWED: ask(DEVELOPER, PULL, project(root_ip_allowlist=("10.0.0.0/8",)), check_ip="11.0.0.1"),
    Reason.NO_REPOSITORY: ask(DEVELOPER, PULL, project(repository_exists=False)),
    Reason.DOWNLOAD_NOT_ALLOWED: ask(member(Role.GUEST), PULL, R),
    Reason.REPOSITORY_READ_ONLY: ask(DEVELOPER, PUSH, project(read_only=True)),
    Reason.ARCHIVED: ask(DEVELOPER, PUSH, project(archived=True)),
    Reason.DEPLOY_KEY_CANNOT_PUSH: ask(READING_KEY, PUSH, R),
    Reason.UPLOAD_NOT_ALLOWED: ask(NOBODY, PUSH, project(visibility="public")),
    Reason.STORAGE_LIMIT_REACHED: pushed(create("refs/heads/x"), project(over_storage_limit=True, storage_limit=1)),
    Reason.PUSH_NOT_ALLOWED: ask(member(Role.REPORTER), PUSH, R),
    Reason.WIKI_NOT_WRITABLE: ask(member(Role.REPORTER), PUSH, R, repository_type="wiki"),
    Reason.DEFAULT_BRANCH_DELETION: pushed(delete("refs/heads/main")),
    Reason.BRANCH_NAME_LIKE_OBJECT_ID: pushed(create(f"refs/heads/{SHA1}")),
    Reason.BRANCH_NAME_INVALID: pushed(create("refs/heads/HEAD")),
    Reason.FORCE_PUSH: pushed(update("refs/heads/p"), protection=NO_ONE, answers=FORCED),
    Reason.PROTECTED_BRANCH_CREATION: pushed(create("refs/heads/p"), protection=NO_ONE),
    Reason.PROTECTED_BRANCH_BASIS: pushed(create("refs/heads/p"), protection=MERGERS, answers={HasNewCommits(NEW): True}),
    Reason.PROTECTED_BRANCH_CREATION_BY_GIT: pushed(create("refs/heads/p"), protection=MERGERS, answers={HasNewCommits(NEW): False}),
    Reason.PROTECTED_BRANCH_DELETION: pushed(delete("refs/heads/p"), protection=NO_ONE),
    Reason.PROTECTED_BRANCH_DELETION_BY_GIT: pushed(delete("refs/heads/p"), actor=MAINTAINER, protection=NO_ONE),
    Reason.PROTECTED_BRANCH_PUSH: pushed(update("refs/heads/p"), protection=NO_ONE, answers={IsForced(OLD, NEW): False}),
    Reason.TAG_CHANGE: pushed(update("refs/tags/x"), actor=REPORTERS_KEY),
    Reason.TAG_NAMED_LIKE_DEFAULT_BRANCH: pushed(create("refs/tags/main")),
    Reason.TAG_NAME_NOT_UTF8: pushed(create("refs/tags/a\ufffd")),
    Reason.TAG_NAME_PROHIBITED: pushed(create("refs/tags/-x")),
    Reason.TAG_NAME_LIKE_OBJECT_ID: pushed(create(f"refs/tags/{SHA1}")),
    Reason.PROTECTED_TAG_UPDATE: pushed(update("refs/tags/p"), protection=NO_ONE),
    Reason.PROTECTED_TAG_DELETION: pushed(delete("refs/tags/p"), protection=NO_ONE),
    Reason.PROTECTED_TAG_DELETION_BY_GIT: pushed(delete("refs/tags/p"), actor=MAINTAINER, protection=NO_ONE),
    Reason.PROTECTED_TAG_CREATION: pushed(create("refs/tags/p"), protection=NO_ONE),
    Reason.LFS_OBJECTS_MISSING: pushed(create("refs/heads/x"), project(has_lfs_objects=True), answers={LacksLFSObjects((NEW,)): True}),
}


def test_every_reason_has_its_situation() -> None:
    """A reason that no rule returns can be given none that passes the test below."""
    assert set(SITUATIONS) == set(Reason)


@pytest.mark.parametrize("reason", list(Reason))
def test_the_policy_gives_every_reason(reason: Reason) -> None:
    verdict = decide(SITUATIONS[reason])
    assert isinstance(verdict, Denied)
    assert verdict.reason == reason
