"""What a decision can be. A verdict has no truth value: a falsy denial would once have let everything through."""

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Never


class Reason(StrEnum):
    """Why Git access is refused; in logs, metrics, tests and on the admin site."""

    READ_ONLY_INSTANCE = "read_only_instance"
    DESIGN_ONLY_ON_THE_WEB = "design_only_on_the_web"
    OTP_REQUIRED = "otp_required"
    PROTOCOL_NOT_ALLOWED = "protocol_not_allowed"
    KEY_TOO_WEAK = "key_too_weak"
    KEY_EXPIRED = "key_expired"
    SSH_KEYS_DISABLED = "ssh_keys_disabled"
    INTERNAL_USER = "internal_user"
    PENDING_APPROVAL = "pending_approval"
    TERMS_NOT_ACCEPTED = "terms_not_accepted"
    DEACTIVATED = "deactivated"
    EMAIL_NOT_CONFIRMED = "email_not_confirmed"
    BLOCKED = "blocked"
    PASSWORD_EXPIRED = "password_expired"  # noqa: S105  a reason, not a password
    SCOPE_WITHOUT_PULL = "scope_without_pull"
    SCOPE_WITHOUT_PUSH = "scope_without_push"
    HTTP_PULL_OFF = "http_pull_off"
    HTTP_PUSH_OFF = "http_push_off"
    UNKNOWN_COMMAND = "unknown_command"
    NAMESPACE_NOT_ALLOWED = "namespace_not_allowed"
    NAMESPACE_NOT_FOUND = "namespace_not_found"
    PROJECT_NOT_FOUND = "project_not_found"
    WIKI_NOT_FOUND = "wiki_not_found"
    NAMESPACE_ARCHIVED = "namespace_archived"
    PROJECTS_LIMIT_REACHED = "projects_limit_reached"
    RULES_UNREADABLE = "rules_unreadable"
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    NO_REPOSITORY = "no_repository"
    DOWNLOAD_NOT_ALLOWED = "download_not_allowed"
    REPOSITORY_READ_ONLY = "repository_read_only"
    ARCHIVED = "archived"
    DEPLOY_KEY_CANNOT_PUSH = "deploy_key_cannot_push"
    UPLOAD_NOT_ALLOWED = "upload_not_allowed"
    STORAGE_LIMIT_REACHED = "storage_limit_reached"
    PUSH_NOT_ALLOWED = "push_not_allowed"
    WIKI_NOT_WRITABLE = "wiki_not_writable"
    DEFAULT_BRANCH_DELETION = "default_branch_deletion"
    BRANCH_NAME_LIKE_OBJECT_ID = "branch_name_like_object_id"
    BRANCH_NAME_INVALID = "branch_name_invalid"
    FORCE_PUSH = "force_push"
    PROTECTED_BRANCH_CREATION = "protected_branch_creation"
    PROTECTED_BRANCH_BASIS = "protected_branch_basis"
    PROTECTED_BRANCH_CREATION_BY_GIT = "protected_branch_creation_by_git"
    PROTECTED_BRANCH_DELETION = "protected_branch_deletion"
    PROTECTED_BRANCH_DELETION_BY_GIT = "protected_branch_deletion_by_git"
    PROTECTED_BRANCH_PUSH = "protected_branch_push"
    TAG_CHANGE = "tag_change"
    TAG_NAMED_LIKE_DEFAULT_BRANCH = "tag_named_like_default_branch"
    TAG_NAME_NOT_UTF8 = "tag_name_not_utf8"
    TAG_NAME_PROHIBITED = "tag_name_prohibited"
    TAG_NAME_LIKE_OBJECT_ID = "tag_name_like_object_id"
    PROTECTED_TAG_UPDATE = "protected_tag_update"
    PROTECTED_TAG_DELETION = "protected_tag_deletion"
    PROTECTED_TAG_DELETION_BY_GIT = "protected_tag_deletion_by_git"
    PROTECTED_TAG_CREATION = "protected_tag_creation"
    LFS_OBJECTS_MISSING = "lfs_objects_missing"

    @property
    def status(self) -> HTTPStatus:
        """401, since clients hide the text of a 403; 404 for what the actor may not even know of (contract: allowed 4.1)."""
        return HTTPStatus.NOT_FOUND if self in _NOT_FOUND else HTTPStatus.UNAUTHORIZED


_NOT_FOUND = frozenset(
    {
        Reason.NAMESPACE_NOT_FOUND,
        Reason.PROJECT_NOT_FOUND,
        Reason.WIKI_NOT_FOUND,
        Reason.NAMESPACE_ARCHIVED,
        Reason.PROJECTS_LIMIT_REACHED,
        Reason.ADDRESS_NOT_ALLOWED,
        Reason.NO_REPOSITORY,
    }
)


class _NoTruthValue:
    __slots__ = ()

    def __bool__(self) -> Never:
        raise TypeError("A verdict is neither true nor false; match it.")


@dataclass(frozen=True, slots=True)
class Allowed(_NoTruthValue):
    """The command may run."""


@dataclass(frozen=True, slots=True)
class Denied(_NoTruthValue):
    """The command may not run; `message` is what the person at the terminal reads."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class CreateProject(_NoTruthValue):
    """There is no such project, and this push makes it (contract: allowed 4.7)."""


@dataclass(frozen=True, slots=True)
class IsForced:
    """A question for Git: does this update throw commits away, that is, is `oldrev` no ancestor of `newrev`?"""

    oldrev: str
    newrev: str


@dataclass(frozen=True, slots=True)
class HasNewCommits:
    """A question for Git: does `newrev` hold commits that no protected branch holds?"""

    newrev: str


@dataclass(frozen=True, slots=True)
class LacksLFSObjects:
    """A question for Git: do the new objects behind these revisions name LFS objects that the project does not have?"""

    revisions: tuple[str, ...]


Question = IsForced | HasNewCommits | LacksLFSObjects


@dataclass(frozen=True, slots=True)
class NeedsGit(_NoTruthValue):
    """Only Git knows; ask, add the answers to the request, decide again."""

    questions: tuple[Question, ...]


Verdict = Allowed | Denied | CreateProject | NeedsGit
