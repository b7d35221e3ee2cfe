"""What people read at their terminal when they are refused; the exact texts of the contract (allowed 2 and 4 to 6)."""

READ_ONLY_INSTANCE = "Git push is not allowed because this GitLab instance is currently in (read-only) maintenance mode."
OTP_REQUIRED = "OTP verification is required to access the repository.\n\n   Use: {command}"
PROTOCOL_NOT_ALLOWED = "Git access over {protocol} is not allowed"
KEY_PROBLEM = "Your SSH key {problem}."
KEY_EXPIRED = "Your SSH key has expired."
KEY_EXPIRES_SOON = "INFO: Your SSH key expires soon. Please generate a new key."
SSH_KEYS_DISABLED = "SSH keys are disabled for this user."

INTERNAL_USER = "This action cannot be performed by internal users"
PENDING_APPROVAL = "Your account is pending approval from your administrator and hence blocked."
TERMS_NOT_ACCEPTED = (
    "You (@{username}) must accept the Terms of Service in order to perform this action. "
    "To accept these terms, please access GitLab from a web browser at {url}."
)
DEACTIVATED = (
    "Your account has been deactivated by your administrator. Please log back in from a web browser to reactivate your account at {url}"
)
EMAIL_NOT_CONFIRMED = (
    "Your primary email address is not confirmed. Please check your inbox for the confirmation instructions. "
    "In case the link is expired, you can request a new confirmation email at {url}"
)
BLOCKED = "Your account has been blocked."
PASSWORD_EXPIRED = "Your password expired. Please access GitLab from a web browser to update your password."  # noqa: S105  a sentence

SCOPE_WITHOUT_PULL = "You are not allowed to download code."
SCOPE_WITHOUT_PUSH = "You are not allowed to upload code."
HTTP_PULL_OFF = "Pulling over HTTP is not allowed."
HTTP_PUSH_OFF = "Pushing over HTTP is not allowed."
UNKNOWN_COMMAND = "The command you're trying to execute is not allowed."
DESIGN_ONLY_ON_THE_WEB = "Designs are only accessible using the web interface"

NAMESPACE_NOT_ALLOWED = "You are not allowed to access projects in this namespace."
NAMESPACE_NOT_FOUND = "The namespace you were looking for could not be found."
PROJECT_NOT_FOUND = "The project you were looking for could not be found or you don't have permission to view it."
WIKI_NOT_FOUND = "The wiki you were looking for could not be found."
RULES_UNREADABLE = "The access rules of this project cannot be read. Please contact your administrator."
NO_REPOSITORY = "A repository for this project does not exist yet."
NO_WIKI_REPOSITORY = "A repository for this wiki does not exist yet."

DOWNLOAD_NOT_ALLOWED = "You are not allowed to download code from this project."
WIKI_DOWNLOAD_NOT_ALLOWED = "You are not allowed to download files from this wiki."

REPOSITORY_READ_ONLY = "The repository is temporarily read-only. Please try again later."
ARCHIVED = "You can't push code to an archived project."
DEPLOY_KEY_CANNOT_PUSH = "This deploy key does not have write access to this project."
UPLOAD_NOT_ALLOWED = "You are not allowed to upload code for this project."
STORAGE_LIMIT_REACHED = (
    "Your push to this repository has been rejected because the namespace storage limit of {size} has been reached. "
    "Reduce your namespace storage or ask an administrator for an exclusion."
)
PUSH_NOT_ALLOWED = "You are not allowed to push code to this project."
WIKI_NOT_WRITABLE = "You are not allowed to write to this project's wiki."

DEFAULT_BRANCH_DELETION = "The default branch of a project cannot be deleted."
BRANCH_NAME_LIKE_OBJECT_ID = "You cannot create a branch with a SHA-1 or SHA-256 branch name."
BRANCH_NAME_INVALID = "You cannot create a branch with an invalid name."
FORCE_PUSH = "You are not allowed to force push code to a protected branch on this project."
PROTECTED_BRANCH_CREATION = "You are not allowed to create protected branches on this project."
PROTECTED_BRANCH_BASIS = "You can only use an existing protected branch ref as the basis of a new protected branch."
PROTECTED_BRANCH_CREATION_BY_GIT = "You can only create protected branches using the web interface and API."
PROTECTED_BRANCH_DELETION = (
    "You are not allowed to delete protected branches from this project. Only a project maintainer or owner can delete a protected branch."
)
PROTECTED_BRANCH_DELETION_BY_GIT = "You can only delete protected branches using the web interface."
PROTECTED_BRANCH_PUSH = "You are not allowed to push code to protected branches on this project."
NO_DEFAULT_BRANCH_YET = (
    "\nA default branch (e.g. main) does not yet exist for {full_path}\n"
    "Ask a project Owner or Maintainer to create a default branch:\n\n  {members_url}\n\n"
)

TAG_CHANGE = "You are not allowed to change existing tags on this project."
TAG_NAMED_LIKE_DEFAULT_BRANCH = "You cannot use default branch name to create a tag"
TAG_NAME_NOT_UTF8 = "Tag names must be valid when converted to UTF-8 encoding"
TAG_NAME_PROHIBITED = "You cannot create a tag with a prohibited pattern."
TAG_NAME_LIKE_OBJECT_ID = "You cannot create a tag with a SHA-1 or SHA-256 tag name."
PROTECTED_TAG_UPDATE = "Protected tags cannot be updated."
PROTECTED_TAG_DELETION = (
    "You are not allowed to delete protected tags from this project. Only a project maintainer or owner can delete a protected tag."
)
PROTECTED_TAG_DELETION_BY_GIT = "You can only delete protected tags using the web interface."
PROTECTED_TAG_CREATION = "You are not allowed to create this tag as it is protected."

LFS_OBJECTS_MISSING = 'LFS objects are missing. Ensure LFS is properly set up or try a manual "git lfs push --all".'


def human_size(size: int) -> str:
    """A number of bytes as people read it, such as `10 GiB` or `1.5 MiB`."""
    amount = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":  # noqa: PLR2004  1 KiB
            break
        amount /= 1024
    return f"{round(amount, 2):g} {unit}"
