"""A second, deliberately naive reading of the access rules, to compare the policy with.

Written from the contract's text alone (contract: allowed 2, 4, 5 and 9, as amended by decisions), in
the contract's order and with the contract's texts copied out of it. It shares the types of the
question with `repositories.policy`, and no rule, no message and no helper: what both get right is
right by two readings. Do not tidy it up into something that resembles the policy.
"""

import re
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from repositories.policy import AccessRequest, Destination, GitQuery, Grants, HasNewCommits, IsForced, LacksLFSObjects, Project, User

ALLOWED = "allowed"
DENIED = "denied"
CREATE_PROJECT = "create_project"
NEEDS_GIT = "needs_git"

PROJECT_404 = "The project you were looking for could not be found or you don't have permission to view it."
WIKI_404 = "The wiki you were looking for could not be found."
NAMESPACE_404 = "The namespace you were looking for could not be found."
NO_PUSH = "You are not allowed to push code to this project."
UNREADABLE = "The access rules of this project cannot be read. Please contact your administrator."


class Reading(NamedTuple):
    """What the contract says: kind, reason and text of a refusal, questions only Git can answer."""

    kind: str
    reason: str = ""
    message: str = ""
    questions: frozenset[GitQuery] = frozenset()


def denied(reason: str, message: str) -> Reading:
    return Reading(DENIED, reason, message)


def account_refusal(  # noqa: C901, PLR0911  one condition a row, as in the table
    user: User, request: AccessRequest
) -> Reading | None:
    """Return the first row of the table of account states that holds (contract: allowed 2.6)."""
    url = request.instance.external_url
    git_users = {"human", "project_bot", "service_user", "service_account"}
    internal_git_users = {"security_bot", "security_policy_bot"}
    if user.user_type not in git_users | internal_git_users:  # row 1
        return denied("internal_user", "This action cannot be performed by internal users")
    if user.state == "blocked_pending_approval":  # row 2
        return denied(
            "pending_approval",
            "Your account is pending approval from your administrator and hence blocked.",
        )
    if request.instance.enforce_terms and not user.terms_accepted:  # row 3
        return denied(
            "terms_not_accepted",
            f"You (@{user.username}) must accept the Terms of Service in order to perform this "
            f"action. To accept these terms, please access GitLab from a web browser at {url}.",
        )
    if user.state == "deactivated":  # row 4
        return denied(
            "deactivated",
            "Your account has been deactivated by your administrator. Please log back in from a "
            f"web browser to reactivate your account at {url}",
        )
    if user.needs_email_confirmation:  # row 5
        return denied(
            "email_not_confirmed",
            "Your primary email address is not confirmed. Please check your inbox for the "
            "confirmation instructions. In case the link is expired, you can request a new "
            f"confirmation email at {url}/users/confirmation/new",
        )
    if user.state in {"blocked", "ldap_blocked", "banned"}:  # row 6
        return denied("blocked", "Your account has been blocked.")
    if user.password_expired:  # row 7
        return denied(
            "password_expired",
            "Your password expired. Please access GitLab from a web browser to update your password.",
        )
    if user.locked or user.state != "active":  # row 8
        return denied("blocked", "Your account has been blocked.")
    return None


def matches(pattern: str, name: str) -> bool:
    """Whether a protected name covers a name: `*` is any run of characters (allowed 5.5)."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(matches(pattern[1:], name[start:]) for start in range(len(name) + 1))
    return bool(name) and name[0] == pattern[0] and matches(pattern[1:], name[1:])


def in_network(address: str, network: str) -> bool:
    """Whether an address is in a network; what is no address is in none."""
    try:
        return ip_address(address) in ip_network(network, strict=False)
    except ValueError:
        return False


def legal_ref_component(name: str) -> bool:
    """Whether Git takes `refs/heads/<name>` (git-check-ref-format's manual, rules 1 to 8).

    Rule 9, "cannot be the single character @", is about the whole ref, so a branch may be `@`.
    """
    for part in name.split("/"):
        if not part or part.startswith(".") or part.endswith(".lock"):
            return False
    if ".." in name or "@{" in name or name.endswith("."):
        return False
    return not any(ord(char) < 32 or ord(char) == 127 or char in " ~^:?*[\\" for char in name)


def invalid_name(name: str) -> bool:
    """Whether branch rule 3 holds (contract: allowed 5.4 row 3)."""
    if name.startswith(("-", "refs/heads/", "refs/remotes/")) or name == "HEAD":
        return True
    return not legal_ref_component(name)


def like_an_object_id(name: str) -> bool:
    return re.match("[0-9a-fA-F]{40}", name) is not None


# The contract's procedure is one list of conditions, so this is one function on purpose.
def read_contract(request: AccessRequest) -> Reading:  # noqa: C901, PLR0911, PLR0912, PLR0915  see above
    """Return what the contract says of a request."""
    instance = request.instance
    project = request.project
    protocol = request.protocol
    is_push = request.action == "git-receive-pack"
    is_pull = request.action in {"git-upload-pack", "git-upload-archive"}  # alike (4.5)
    is_wiki = request.repository_type == "wiki"
    is_design = request.repository_type == "design"

    # allowed 2.2, 2.5: who acts. Nobody's account is checked for a deploy key.
    key = request.actor.key
    deploy_key = key if key is not None and key.kind == "deploy_key" else None
    user = None if deploy_key is not None else request.actor.user
    owner = request.actor.user if deploy_key is not None else None

    # --- who may know of the project (4.4 steps 5 and 6; 9.1). Asked first of all that depends on
    # the project (decisions 10a: hidden is missing).
    def can_read(person: User | None) -> bool:
        if project is None:
            return False
        if project.visibility == "public":
            return True
        if person is None:
            return False
        if person.admin or person.role >= 10:
            return True
        return project.visibility == "internal" and not person.external

    # The rules of the namespace are the top-level group's: of the project, or, for a first push, of
    # where its project would be created (decisions 10a: asked before anything is made).
    namespace: Project | Destination | None = project or request.destination
    address_is_refused = (
        namespace is not None
        and request.check_ip is not None
        and bool(namespace.root_ip_allowlist)
        and not any(in_network(request.check_ip, each) for each in namespace.root_ip_allowlist)
    )
    # 3.3 by the name alone: hidden or missing, `x.wiki` asks for a wiki (decisions 10a)
    asks_for_wiki = is_wiki if request.path is None else request.path.endswith(".wiki")
    asks_for_design = is_design if request.path is None else request.path.endswith(".design")
    is_readable = can_read(user)
    if deploy_key is not None:
        is_readable = can_read(None) or (project is not None and deploy_key.enabled)

    # --- 4.3 row 1 (its text: decisions 10a)
    if is_push and instance.read_only:
        return denied(
            "read_only_instance",
            instance.read_only_message
            or "Git push is not allowed because this GitLab instance is currently in (read-only) maintenance mode.",
        )
    # 4.3 row 4, 2.7; decisions 10a: a session without a key is checked against the user's session
    if (
        instance.require_two_factor_for_git
        and protocol == "ssh"
        and user is not None
        and user.two_factor_enabled
        and not user.has_otp_session
    ):
        at = f"{instance.ssh_user}@{instance.ssh_host}"
        port = "" if instance.ssh_port == 22 else f" -p {instance.ssh_port}"
        return denied(
            "otp_required",
            f"OTP verification is required to access the repository.\n\n   Use: ssh {at}{port} 2fa_verify",
        )
    # 4.3 row 5, the site's part: it is the same for every project
    only = instance.enabled_git_access_protocol
    if protocol != "web" and only and only != protocol:
        return denied("protocol_not_allowed", f"Git access over {protocol.upper()} is not allowed")
    # 4.3 row 6, 2.4: validity, then expiry, then (ordinary keys only) keys switched off
    if key is not None and key.problem:
        return denied("key_too_weak", f"Your SSH key {key.problem}.")
    if key is not None and key.expired:
        return denied("key_expired", "Your SSH key has expired.")
    if key is not None and user is not None and user.ssh_keys_disabled:
        return denied("ssh_keys_disabled", "SSH keys are disabled for this user.")
    # 4.3 row 7
    if user is not None:
        # At the hook of a push over HTTP nobody can tell any more with what its user came (git-http LD9).
        is_hook_over_http = protocol == "http" and request.changes is not None
        refusal = account_refusal(replace(user, locked=user.locked and not is_hook_over_http), request)
        if refusal is not None:
            return refusal
    # 4.3 row 9
    if protocol == "http" and is_push and not instance.http_push:
        return denied("http_push_off", "Pushing over HTTP is not allowed.")
    if protocol == "http" and is_pull and not instance.http_pull:
        return denied("http_pull_off", "Pulling over HTTP is not allowed.")
    # 4.3, last lines: the design checker asks neither for the command (case 58 has none) nor for
    # the repository. Decisions 18: it speaks to those who can read the project, so whom rows 1 to 9
    # keep out hears of that, and whoever may not know of the project that there is none.
    if asks_for_design:
        if request.path is not None and "/" not in request.path:
            return denied("namespace_not_found", NAMESPACE_404)
        if not is_readable:
            return denied("project_not_found", PROJECT_404)
        if address_is_refused:
            return denied("address_not_allowed", PROJECT_404)
        if namespace is not None and namespace.has_unreadable_rules:
            return denied("rules_unreadable", UNREADABLE)
        return denied("design_only_on_the_web", "Designs are only accessible using the web interface")
    # 4.3 row 10
    if request.action not in {"git-upload-pack", "git-upload-archive", "git-receive-pack"}:
        return denied("unknown_command", "The command you're trying to execute is not allowed.")

    # --- 4.3 row 13: the container (4.4)
    if project is None or not is_readable:
        # the wiki's text; nothing is made (decisions 10a)
        if asks_for_wiki:
            return denied("wiki_not_found", WIKI_404)
        # step 2: a namespace and a project in it (3.5); nobody is hidden without a namespace
        if request.path is not None and "/" not in request.path:
            return denied("namespace_not_found", NAMESPACE_404)
        # steps 3 to 5: whoever may not create the project here learns no more
        may_create = (
            project is None
            and is_push
            and request.changes is None
            and user is not None
            and request.destination is not None
            and request.destination.may_create
        )
        if not may_create:
            return denied("project_not_found", PROJECT_404)
    # step 6; for a wiki "its project unreadable"
    if address_is_refused:
        return denied("address_not_allowed", WIKI_404 if asks_for_wiki else PROJECT_404)
    # Stored rules that cannot be read let nobody through; told to those who may know of the project.
    assert namespace is not None
    if namespace.has_unreadable_rules:
        return denied("rules_unreadable", UNREADABLE)
    # 4.3 row 5, the namespace's part: after visibility (decisions: the order of 4.3 row 5)
    if protocol != "web" and not only and namespace.root_protocol not in {"", "all"} and namespace.root_protocol != protocol:
        return denied("protocol_not_allowed", f"Git access over {protocol.upper()} is not allowed")
    # step 1: after visibility (decisions: the order of 4.4 step 1)
    if request.changes is None:
        if request.namespace_path:
            refused = not (namespace.root_is_group and request.namespace_path.lower() == namespace.root_path.lower())
        else:
            refused = (
                namespace.root_is_group and namespace.root_enforces_ssh_certificates and user is not None and user.user_type == "human"
            )
        if refused:
            return denied(
                "namespace_not_allowed",
                "You are not allowed to access projects in this namespace.",
            )
    # 4.7, push-to-create: "any condition unmet: 404 project-not-found text"
    if project is None:
        assert request.destination is not None
        if request.destination.archived:
            return denied("namespace_archived", PROJECT_404)
        if not request.destination.has_room:
            return denied("projects_limit_reached", PROJECT_404)
        return Reading(CREATE_PROJECT)

    # 4.3 row 14; a wiki's repository is made by the first push to it (decisions 16d)
    if is_wiki and not project.wiki_exists and not is_push:
        return denied("no_repository", "A repository for this wiki does not exist yet.")
    if not is_wiki and not project.repository_exists:
        return denied("no_repository", "A repository for this project does not exist yet.")

    # --- 4.3 row 15, download (4.5, 9.1, 9.2, 9.4)
    level = project.wiki_access_level if is_wiki else project.repository_access_level
    if not is_push:
        is_public = project.visibility == "public"
        is_internal = project.visibility == "internal"
        is_private = project.visibility == "private"
        if level == "disabled":
            may_download = False
        elif (deploy_key is not None and deploy_key.enabled) or (level == "enabled" and is_public):
            may_download = True  # 4.5; 9.1: public is for everybody
        elif user is None:
            may_download = False
        elif user.admin or user.role >= 20:
            may_download = True  # Reporter and up, whatever the level (9.1, 9.2, 9.4)
        elif user.role == 15:
            # Planner: 9.1 and 9.4; but 9.2, "in private projects Reporter and up"
            may_download = is_wiki or level == "enabled" or not is_private
        elif level == "enabled":
            may_download = is_internal and not user.external
        elif is_wiki:
            may_download = False  # 9.4: reading pages is not downloading
        else:
            # 9.2: Guest and up; external users have an internal project as if it were private
            may_download = user.role >= 10 and (is_public or (is_internal and not user.external))
        if may_download:
            return Reading(ALLOWED)
        if is_wiki:
            return denied(
                "download_not_allowed",
                "You are not allowed to download files from this wiki.",
            )
        return denied("download_not_allowed", "You are not allowed to download code from this project.")

    # --- 4.3 row 15, push (4.6), project and wiki alike: rows 1 to 4
    if project.read_only:
        return denied(
            "repository_read_only",
            "The repository is temporarily read-only. Please try again later.",
        )
    if project.archived:
        return denied("archived", "You can't push code to an archived project.")
    if deploy_key is not None and not (deploy_key.enabled and deploy_key.can_push):
        return denied(
            "deploy_key_cannot_push",
            "This deploy key does not have write access to this project.",
        )
    if deploy_key is None and user is None:
        return denied("upload_not_allowed", "You are not allowed to upload code for this project.")

    # Whose rights count from here on: a deploy key acts with its owner's identity (5.3, 5.5), who
    # has to exist, to have access to Git and to be able to read the project.
    person = user if deploy_key is None else owner
    owner_stands = deploy_key is None or (owner is not None and account_refusal(owner, request) is None and can_read(owner))

    if is_wiki:
        # 4.6, below the table; 9.4: Planner, Developer and up, not Reporter. Case 287: the same
        # text over the limit, whatever is pushed ("`changes` are not inspected at all").
        text = "You are not allowed to write to this project's wiki."
        if project.over_storage_limit:
            return denied("storage_limit_reached", text)
        if owner_stands and person is not None and level != "disabled" and (person.admin or person.role == 15 or person.role >= 30):
            return Reading(ALLOWED)
        return denied("wiki_not_writable", text)

    # row 6: never for `_any`, never for deletions alone (its text: decisions 10b)
    zeros = {"0" * 40, "0" * 64}
    if project.over_storage_limit and request.changes is not None and any(change.newrev not in zeros for change in request.changes):
        size = storage_size(project.storage_limit)
        return denied(
            "storage_limit_reached",
            "Your push to this repository has been rejected because the namespace storage limit "
            f"of {size} has been reached. Reduce your namespace storage or ask an administrator "
            "for an exclusion.",
        )

    # push_code (9.1): Developer and up, administrators; 9.2: nobody while the feature is disabled
    has_push_code = level != "disabled" and person is not None and (person.admin or person.role >= 30)
    # row 8
    if request.changes is None:
        # A deploy key is asked for no ability, but its owner has to stand; of the ghost, whose key
        # nobody owns, that is asked with real changes (2.5). The level of the feature counts (9.2:
        # "deploy keys included").
        nobody_owns = owner is None or owner.user_type == "ghost"
        if deploy_key is None and has_push_code:
            return Reading(ALLOWED)
        if deploy_key is not None and level != "disabled" and (owner_stands or nobody_owns):
            return Reading(ALLOWED)
        return denied("push_not_allowed", NO_PUSH)

    # --- 5: changes, one after another in the order given (5.2)
    needed: set[GitQuery] = set()
    empty = project.empty
    developers_may_push_first = project.default_branch_push == "developer"
    can_administer = person is not None and (person.admin or person.role >= 40)
    may_push_first = can_administer or (
        person is not None and person.role == 30 and (developers_may_push_first or project.developer_can_initial_push)
    )

    def refuse(reason: str, message: str) -> Reading:
        """Refuse, unless an earlier answer of Git may still refuse first: the first rule wins."""
        return Reading(NEEDS_GIT, questions=frozenset(needed)) if needed else denied(reason, message)

    def grants(levels: Grants) -> bool:
        """Whether some level of a rule lets the person through (5.5, access level kinds)."""
        if person is None:
            return False
        return (
            (60 in levels.roles and person.admin)
            or any(0 < role < 60 and has_push_code and person.role >= role for role in levels.roles)
            or (levels.user and person.role >= 10)
            or levels.group
            or (levels.deploy_key and person.role >= 10)
        )

    # 5.5, "may push": push_code "as in 5.3", whose bullet on deploy keys asks nothing more of the
    # owner than what `owner_stands` says. A role level asks for push_code itself.
    may_push_somewhere = has_push_code or (deploy_key is not None and level != "disabled")

    def branch_rights(name: str) -> tuple[bool, bool, bool, bool]:
        """Return whether protected, may push, may merge, force push is allowed (5.5)."""
        rules = [rule for rule in request.protection.branches if matches(rule.name, name)]
        is_protected = bool(rules) or (empty and not developers_may_push_first)
        may_push = may_push_somewhere and (not is_protected or any(grants(rule.push) for rule in rules) or (empty and may_push_first))
        may_merge = may_push_somewhere and (not is_protected or any(grants(rule.merge) for rule in rules))
        return is_protected, may_push, may_merge, any(rule.allow_force_push for rule in rules)

    for change in request.changes:
        creates = change.oldrev in zeros
        deletes = change.newrev in zeros

        # 5.3: may push at all
        if level == "disabled" or not owner_stands:
            return refuse("push_not_allowed", NO_PUSH)
        if deploy_key is None and not has_push_code:
            return refuse("push_not_allowed", NO_PUSH)

        # 5.3, deploy keys: the full name of the ref against the patterns of protected branches.
        # Patterns alone: "practically only a pattern such as `*` bites at this step", so that every
        # branch of an empty repository counts as protected comes in with its name (5.4 row 6).
        if deploy_key is not None:
            covered = any(matches(rule.name, change.ref) for rule in request.protection.branches)
            if covered and not branch_rights(change.ref)[1]:
                return refuse("push_not_allowed", NO_PUSH)

        if change.ref.startswith("refs/heads/") and change.ref != "refs/heads/":
            name = change.ref.removeprefix("refs/heads/")
            # 5.4 row 1
            if deletes and name == project.default_branch:
                return refuse(
                    "default_branch_deletion",
                    "The default branch of a project cannot be deleted.",
                )
            # 5.4 row 2
            if not deletes and like_an_object_id(name):
                return refuse(
                    "branch_name_like_object_id",
                    "You cannot create a branch with a SHA-1 or SHA-256 branch name.",
                )
            # 5.4 row 3
            if not deletes and invalid_name(name):
                return refuse("branch_name_invalid", "You cannot create a branch with an invalid name.")
            is_protected, may_push, may_merge, may_force = branch_rights(name)
            # 5.4 row 4
            if not is_protected:
                continue
            # 5.4 row 5
            if not empty and not creates and not deletes and not may_force:
                forced = IsForced(change.oldrev, change.newrev)
                if forced not in request.answers:
                    needed.add(forced)
                    continue  # all that may be needed is asked at once (decisions 23)
                if request.answers[forced]:
                    return refuse(
                        "force_push",
                        "You are not allowed to force push code to a protected branch on this project.",
                    )
            # 5.4 row 6
            if empty:
                if not may_push:
                    path = project.full_path
                    return refuse(
                        "protected_branch_push",
                        f"\nA default branch (e.g. main) does not yet exist for {path}\n"
                        "Ask a project Owner or Maintainer to create a default branch:\n\n"
                        f"  {instance.external_url}/{path}/-/project_members\n\n",
                    )
                continue
            # 5.4 row 7
            if creates:
                if may_push:
                    continue
                if not may_merge:
                    return refuse(
                        "protected_branch_creation",
                        "You are not allowed to create protected branches on this project.",
                    )
                has_new = HasNewCommits(change.newrev)
                if has_new not in request.answers:
                    needed.add(has_new)
                    continue
                if request.answers[has_new]:
                    return refuse(
                        "protected_branch_basis",
                        "You can only use an existing protected branch ref as the basis of a new protected branch.",
                    )
                if protocol != "web":
                    return refuse(
                        "protected_branch_creation_by_git",
                        "You can only create protected branches using the web interface and API.",
                    )
                continue
            # 5.4 row 8
            if deletes:
                if not can_administer:
                    return refuse(
                        "protected_branch_deletion",
                        "You are not allowed to delete protected branches from this project. "
                        "Only a project maintainer or owner can delete a protected branch.",
                    )
                if protocol != "web":
                    return refuse(
                        "protected_branch_deletion_by_git",
                        "You can only delete protected branches using the web interface.",
                    )
                continue
            # 5.4 row 9; there are no merge requests here (decisions 19)
            if not may_push:
                return refuse(
                    "protected_branch_push",
                    "You are not allowed to push code to protected branches on this project.",
                )
            continue

        if change.ref.startswith("refs/tags/") and change.ref != "refs/tags/":
            name = change.ref.removeprefix("refs/tags/")
            # 5.6 row 1: a tag that has an old revision exists; admin_tag is push_code
            if not creates and not has_push_code:
                return refuse(
                    "tag_change",
                    "You are not allowed to change existing tags on this project.",
                )
            # 5.6 row 2
            if creates and name == project.default_branch:
                return refuse(
                    "tag_named_like_default_branch",
                    "You cannot use default branch name to create a tag",
                )
            # 5.6 row 3: Gitaly puts U+FFFD for bytes that are not UTF-8 (contract: gitaly 2.3)
            if not deletes and "\ufffd" in name:
                return refuse(
                    "tag_name_not_utf8",
                    "Tag names must be valid when converted to UTF-8 encoding",
                )
            # 5.6 row 4
            if not deletes and (invalid_name(name) or name.startswith("refs/tags/")):
                return refuse(
                    "tag_name_prohibited",
                    "You cannot create a tag with a prohibited pattern.",
                )
            # 5.6 row 5
            if not deletes and like_an_object_id(name):
                return refuse(
                    "tag_name_like_object_id",
                    "You cannot create a tag with a SHA-1 or SHA-256 tag name.",
                )
            # 5.6 row 6
            tag_rules = [rule for rule in request.protection.tags if matches(rule.name, name)]
            if not tag_rules:
                continue
            # 5.6 row 7
            if not creates and not deletes:
                return refuse("protected_tag_update", "Protected tags cannot be updated.")
            # 5.6 row 8
            if deletes and not can_administer:
                return refuse(
                    "protected_tag_deletion",
                    "You are not allowed to delete protected tags from this project. Only a "
                    "project maintainer or owner can delete a protected tag.",
                )
            # 5.6 row 9
            if deletes and protocol != "web":
                return refuse(
                    "protected_tag_deletion_by_git",
                    "You can only delete protected tags using the web interface.",
                )
            # 5.6 row 10
            if not any(grants(rule.create) for rule in tag_rules):
                return refuse(
                    "protected_tag_creation",
                    "You are not allowed to create this tag as it is protected.",
                )

    if needed:
        return Reading(NEEDS_GIT, questions=frozenset(needed))

    # --- git-http 7.1: LFS objects that are named and were not uploaded
    revisions = tuple(dict.fromkeys(change.newrev for change in request.changes if set(change.newrev) != {"0"}))
    is_checked = {"off": False, "used": project.has_lfs_objects, "always": True}[instance.lfs_integrity_check]
    if not revisions or not instance.lfs_enabled or not project.lfs_enabled or not is_checked:
        return Reading(ALLOWED)
    lacks = LacksLFSObjects(revisions)
    if lacks not in request.answers:
        return Reading(NEEDS_GIT, questions=frozenset({lacks}))
    if request.answers[lacks]:
        return denied(
            "lfs_objects_missing",
            'LFS objects are missing. Ensure LFS is properly set up or try a manual "git lfs push --all".',
        )
    return Reading(ALLOWED)


def storage_size(limit: int) -> str:
    """Return a limit as the refusal prints it, for the whole GiB that are generated."""
    return f"{limit // 2**30} GiB"
