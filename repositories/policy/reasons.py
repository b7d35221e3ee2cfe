"""Why Git access is refused: one row for each reason.

A row has the code (in logs, metrics and on the admin site), the exact text of the contract that
the person at the terminal reads (allowed 2 and 4 to 6), the status, and what it means and what to
do, for whoever helps that person: docs/reference/denial-reasons.md is made from these rows.
"""

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Self

_PROJECT_NOT_FOUND = "The project you were looking for could not be found or you don't have permission to view it."
_WIKI_NOT_FOUND = "The wiki you were looking for could not be found."
NO_WIKI_REPOSITORY = "A repository for this wiki does not exist yet."
WIKI_DOWNLOAD_NOT_ALLOWED = "You are not allowed to download files from this wiki."
NO_DEFAULT_BRANCH_YET = (
    "\nA default branch (e.g. main) does not yet exist for {full_path}\n"
    "Ask a project Owner or Maintainer to create a default branch:\n\n  {members_url}\n\n"
)
WIKI_NOT_WRITABLE = "You are not allowed to write to this project's wiki."


@dataclass(frozen=True, slots=True)
class _Row:
    """What is known of a reason.

    `other_messages` are texts of the same reason in other places; 401 is the usual status, since
    clients hide the text of a 403, and 404 that of what the actor may not know to exist (contract:
    allowed 4.1).
    """

    code: str
    message: str
    meaning: str
    remedy: str
    status: HTTPStatus = HTTPStatus.UNAUTHORIZED
    other_messages: tuple[str, ...] = ()


class Reason(StrEnum):
    """Why Git access is refused; its value is the code."""

    message: str
    meaning: str
    remedy: str
    status: HTTPStatus
    other_messages: tuple[str, ...]

    def __new__(cls, row: _Row) -> Self:
        reason = str.__new__(cls, row.code)
        reason._value_ = row.code
        reason.message, reason.other_messages = row.message, row.other_messages
        reason.meaning, reason.remedy, reason.status = row.meaning, row.remedy, row.status
        return reason

    READ_ONLY_INSTANCE = _Row(
        "read_only_instance",
        "Git push is not allowed because this GitLab instance is currently in (read-only) maintenance mode.",
        "The instance is in maintenance mode. An administrator may have written another text.",
        "Push again after the maintenance. Pulls work.",
    )
    DESIGN_ONLY_ON_THE_WEB = _Row(
        "design_only_on_the_web",
        "Designs are only accessible using the web interface",
        "The path names a design repository, which is not served over Git.",
        "Use the path of the project or of its wiki.",
    )
    OTP_REQUIRED = _Row(
        "otp_required",
        "OTP verification is required to access the repository.\n\n   Use: {command}",
        "The instance requires a second factor for Git over SSH, and the user has given none recently.",
        "Run the command that the message names, and give the one-time password.",
    )
    PROTOCOL_NOT_ALLOWED = _Row(
        "protocol_not_allowed",
        "Git access over {protocol} is not allowed",
        "The instance or the top-level group allows only the other protocol.",
        "Use the other protocol, or change the instance's or the group's setting.",
    )
    KEY_TOO_WEAK = _Row(
        "key_too_weak",
        "Your SSH key {problem}.",
        "The instance's rules do not accept keys of this type or length.",
        "Add a key that the rules accept, as the message says.",
    )
    KEY_EXPIRED = _Row(
        "key_expired",
        "Your SSH key has expired.",
        "The key's expiry date has passed.",
        "Add a new key.",
    )
    SSH_KEYS_DISABLED = _Row(
        "ssh_keys_disabled",
        "SSH keys are disabled for this user.",
        "The user belongs to a group that disables SSH keys of its users.",
        "Use an SSH certificate or Git over HTTPS, or change the group's setting.",
    )
    INTERNAL_USER = _Row(
        "internal_user",
        "This action cannot be performed by internal users",
        "The account is one of the service itself, such as the ghost user.",
        "Use an account of a person, a bot or a service.",
    )
    PENDING_APPROVAL = _Row(
        "pending_approval",
        "Your account is pending approval from your administrator and hence blocked.",
        "An administrator has not approved the account yet.",
        "Set the user's state to active on the admin site.",
    )
    TERMS_NOT_ACCEPTED = _Row(
        "terms_not_accepted",
        "You (@{username}) must accept the Terms of Service in order to perform this action. "
        "To accept these terms, please access GitLab from a web browser at {url}.",
        "The instance enforces terms of service, and the user has not accepted them.",
        "Have the user accept the terms, or record it on the admin site.",
    )
    DEACTIVATED = _Row(
        "deactivated",
        "Your account has been deactivated by your administrator. Please log back in from a web "
        "browser to reactivate your account at {url}",
        "The user is deactivated.",
        "Set the user's state to active on the admin site.",
    )
    EMAIL_NOT_CONFIRMED = _Row(
        "email_not_confirmed",
        "Your primary email address is not confirmed. Please check your inbox for the confirmation "
        "instructions. In case the link is expired, you can request a new confirmation email at "
        "{url}",
        "The user's primary e-mail address is not confirmed.",
        "Confirm it, or mark it as confirmed on the admin site.",
    )
    BLOCKED = _Row(
        "blocked",
        "Your account has been blocked.",
        "The user is blocked, banned or locked, or was deprovisioned by SCIM.",
        "`unblock_user`, or reactivate the user at the identity provider.",
    )
    PASSWORD_EXPIRED = _Row(
        "password_expired",
        "Your password expired. Please access GitLab from a web browser to update your password.",
        "The user's password has expired.",
        "Set a new password.",
    )
    SCOPE_WITHOUT_PULL = _Row(
        "scope_without_pull",
        "You are not allowed to download code.",
        "The token has no scope that covers pulls.",
        "Use a token of scope `read_repository` or `write_repository`.",
    )
    SCOPE_WITHOUT_PUSH = _Row(
        "scope_without_push",
        "You are not allowed to upload code.",
        "The token has no scope that covers pushes.",
        "Use a token of scope `write_repository`.",
    )
    HTTP_PULL_OFF = _Row(
        "http_pull_off",
        "Pulling over HTTP is not allowed.",
        "The instance does not serve pulls over HTTP.",
        "Use SSH, or change the instance's setting.",
    )
    HTTP_PUSH_OFF = _Row(
        "http_push_off",
        "Pushing over HTTP is not allowed.",
        "The instance does not serve pushes over HTTP.",
        "Use SSH, or change the instance's setting.",
    )
    UNKNOWN_COMMAND = _Row(
        "unknown_command",
        "The command you're trying to execute is not allowed.",
        "The command is not `git-upload-pack`, `git-upload-archive` or `git-receive-pack`.",
        "Use Git's own client.",
    )
    NAMESPACE_NOT_ALLOWED = _Row(
        "namespace_not_allowed",
        "You are not allowed to access projects in this namespace.",
        "The top-level group requires SSH certificates, or the certificate belongs to another group.",
        "Use a certificate that the group's authority has signed.",
    )
    NAMESPACE_NOT_FOUND = _Row(
        "namespace_not_found",
        "The namespace you were looking for could not be found.",
        "The path has no namespace: it needs at least two segments, such as `group/project`.",
        "Correct the URL of the remote (`git remote -v`).",
        HTTPStatus.NOT_FOUND,
    )
    PROJECT_NOT_FOUND = _Row(
        "project_not_found",
        _PROJECT_NOT_FOUND,
        "The project does not exist, or the user has no role that lets it be seen.",
        "Compare the path; `explain_access` tells which of the two it is.",
        HTTPStatus.NOT_FOUND,
    )
    WIKI_NOT_FOUND = _Row(
        "wiki_not_found",
        _WIKI_NOT_FOUND,
        "The wiki's project does not exist, or the user may not see it.",
        "Compare the path; `explain_access` tells which of the two it is.",
        HTTPStatus.NOT_FOUND,
    )
    NAMESPACE_ARCHIVED = _Row(
        "namespace_archived",
        _PROJECT_NOT_FOUND,
        "The push would create a project, but its namespace is archived.",
        "Unarchive the group, or push to another.",
        HTTPStatus.NOT_FOUND,
    )
    PROJECTS_LIMIT_REACHED = _Row(
        "projects_limit_reached",
        _PROJECT_NOT_FOUND,
        "The push would create a project, but the namespace's owner has as many as allowed.",
        "Raise the user's limit of projects, or delete one.",
        HTTPStatus.NOT_FOUND,
    )
    RULES_UNREADABLE = _Row(
        "rules_unreadable",
        "The access rules of this project cannot be read. Please contact your administrator.",
        "A stored value that restricts access to the project cannot be read.",
        "`doctor` names the table, the column and the row; the log does so at each use.",
    )
    ADDRESS_NOT_ALLOWED = _Row(
        "address_not_allowed",
        _PROJECT_NOT_FOUND,
        "The client's IP address is not in the top-level group's list of allowed addresses.",
        "Add the address to the group's list, or connect from an address that is in it.",
        HTTPStatus.NOT_FOUND,
        (_WIKI_NOT_FOUND,),
    )
    NO_REPOSITORY = _Row(
        "no_repository",
        "A repository for this project does not exist yet.",
        "The project exists, but Gitaly has no repository of it.",
        "`create_repositories`; a wiki is created by the first push to it.",
        HTTPStatus.NOT_FOUND,
        (NO_WIKI_REPOSITORY,),
    )
    DOWNLOAD_NOT_ALLOWED = _Row(
        "download_not_allowed",
        "You are not allowed to download code from this project.",
        "The user sees the project, but the role or the project's features do not allow pulls.",
        "Give the user at least the role reporter.",
        other_messages=(WIKI_DOWNLOAD_NOT_ALLOWED,),
    )
    REPOSITORY_READ_ONLY = _Row(
        "repository_read_only",
        "The repository is temporarily read-only. Please try again later.",
        "The repository is being moved to another storage.",
        "Push again when the move has ended.",
    )
    ARCHIVED = _Row(
        "archived",
        "You can't push code to an archived project.",
        "The project, or a group above it, is archived.",
        "Unarchive it, or push to another project.",
    )
    DEPLOY_KEY_CANNOT_PUSH = _Row(
        "deploy_key_cannot_push",
        "This deploy key does not have write access to this project.",
        "The deploy key is not enabled for the project, or only for pulls.",
        "Enable it with write access on the admin site.",
    )
    UPLOAD_NOT_ALLOWED = _Row(
        "upload_not_allowed",
        "You are not allowed to upload code for this project.",
        "Nobody is logged in, or the credential may only pull.",
        "Use a credential of a user who may push.",
    )
    STORAGE_LIMIT_REACHED = _Row(
        "storage_limit_reached",
        "Your push to this repository has been rejected because the namespace storage limit of "
        "{size} has been reached. Reduce your namespace storage or ask an administrator for an "
        "exclusion.",
        "The top-level namespace stores more than its limit.",
        "Delete what is not needed, raise the limit, or exclude the namespace from it.",
        other_messages=(WIKI_NOT_WRITABLE,),
    )
    PUSH_NOT_ALLOWED = _Row(
        "push_not_allowed",
        "You are not allowed to push code to this project.",
        "The user's role does not allow pushes, the project's repository feature is off, or a deploy key's owner may not push.",
        "Give the user at least the role developer, or the deploy key another owner.",
    )
    WIKI_NOT_WRITABLE = _Row(
        "wiki_not_writable",
        WIKI_NOT_WRITABLE,
        "The user's role does not allow changes to the wiki.",
        "Give the user at least the role developer.",
    )
    DEFAULT_BRANCH_DELETION = _Row(
        "default_branch_deletion",
        "The default branch of a project cannot be deleted.",
        "The push deletes the project's default branch.",
        "Choose another default branch first (`set_default_branch`).",
    )
    BRANCH_NAME_LIKE_OBJECT_ID = _Row(
        "branch_name_like_object_id",
        "You cannot create a branch with a SHA-1 or SHA-256 branch name.",
        "The branch is named like an object id, which Git could mistake for it.",
        "Choose another name.",
    )
    BRANCH_NAME_INVALID = _Row(
        "branch_name_invalid",
        "You cannot create a branch with an invalid name.",
        "The name is one that Git's own porcelain does not accept, such as `HEAD` or `-x`.",
        "Choose another name (`git check-ref-format --branch NAME`).",
    )
    FORCE_PUSH = _Row(
        "force_push",
        "You are not allowed to force push code to a protected branch on this project.",
        "The push would discard commits of a protected branch.",
        "Merge or rebase instead, or allow force pushes in the branch's rule.",
    )
    PROTECTED_BRANCH_CREATION = _Row(
        "protected_branch_creation",
        "You are not allowed to create protected branches on this project.",
        "A rule protects the name, and the user may neither push nor merge to it.",
        "Choose another name, or change the rule.",
    )
    PROTECTED_BRANCH_BASIS = _Row(
        "protected_branch_basis",
        "You can only use an existing protected branch ref as the basis of a new protected branch.",
        "The user may merge, not push, and the new branch has commits that no protected branch has.",
        "Start the branch from a protected branch, or change the rule.",
    )
    PROTECTED_BRANCH_CREATION_BY_GIT = _Row(
        "protected_branch_creation_by_git",
        "You can only create protected branches using the web interface and API.",
        "The user may merge to the branch, not push, and those create branches on the web only.",
        "Have somebody create it who may push, or change the rule.",
    )
    PROTECTED_BRANCH_DELETION = _Row(
        "protected_branch_deletion",
        "You are not allowed to delete protected branches from this project. Only a project "
        "maintainer or owner can delete a protected branch.",
        "The branch is protected, and the user is neither maintainer nor owner.",
        "Have a maintainer remove the branch's protection first.",
    )
    PROTECTED_BRANCH_DELETION_BY_GIT = _Row(
        "protected_branch_deletion_by_git",
        "You can only delete protected branches using the web interface.",
        "The branch is protected, and nobody deletes protected branches by Git.",
        "Remove the branch's protection first.",
    )
    PROTECTED_BRANCH_PUSH = _Row(
        "protected_branch_push",
        "You are not allowed to push code to protected branches on this project.",
        "The branch is protected, and the user is not among those who may push to it.",
        "Push another branch, or change the rule (`protect_branch`).",
        other_messages=(NO_DEFAULT_BRANCH_YET,),
    )
    TAG_CHANGE = _Row(
        "tag_change",
        "You are not allowed to change existing tags on this project.",
        "The push moves or deletes a tag, and the user's role does not allow pushes.",
        "Give the user at least the role developer.",
    )
    TAG_NAMED_LIKE_DEFAULT_BRANCH = _Row(
        "tag_named_like_default_branch",
        "You cannot use default branch name to create a tag",
        "The tag has the name of the default branch.",
        "Choose another name.",
    )
    TAG_NAME_NOT_UTF8 = _Row(
        "tag_name_not_utf8",
        "Tag names must be valid when converted to UTF-8 encoding",
        "The tag's name is not UTF-8.",
        "Choose another name.",
    )
    TAG_NAME_PROHIBITED = _Row(
        "tag_name_prohibited",
        "You cannot create a tag with a prohibited pattern.",
        "The name is one that Git's own porcelain does not accept, or begins with `refs/tags/`.",
        "Choose another name.",
    )
    TAG_NAME_LIKE_OBJECT_ID = _Row(
        "tag_name_like_object_id",
        "You cannot create a tag with a SHA-1 or SHA-256 tag name.",
        "The tag is named like an object id, which Git could mistake for it.",
        "Choose another name.",
    )
    PROTECTED_TAG_UPDATE = _Row(
        "protected_tag_update",
        "Protected tags cannot be updated.",
        "The push moves a protected tag.",
        "Create a tag of another name.",
    )
    PROTECTED_TAG_DELETION = _Row(
        "protected_tag_deletion",
        "You are not allowed to delete protected tags from this project. Only a project maintainer or owner can delete a protected tag.",
        "The tag is protected, and the user is neither maintainer nor owner.",
        "Have a maintainer remove the tag's protection first.",
    )
    PROTECTED_TAG_DELETION_BY_GIT = _Row(
        "protected_tag_deletion_by_git",
        "You can only delete protected tags using the web interface.",
        "The tag is protected, and nobody deletes protected tags by Git.",
        "Remove the tag's protection first.",
    )
    PROTECTED_TAG_CREATION = _Row(
        "protected_tag_creation",
        "You are not allowed to create this tag as it is protected.",
        "A rule protects the name, and the user is not among those who may create it.",
        "Choose another name, or change the rule.",
    )
    LFS_OBJECTS_MISSING = _Row(
        "lfs_objects_missing",
        'LFS objects are missing. Ensure LFS is properly set up or try a manual "git lfs push --all".',
        "The push has pointers to LFS objects that were not uploaded to the project.",
        "`git lfs install`, then `git lfs push --all REMOTE`, then push again.",
    )
