"""Rules about what exactly is pushed, change by change; the first that objects refuses the whole push (contract: allowed 5.2 to 5.6).

Merge requests are not kept here: the rows that need one (collaboration in 5.3, a merge in progress in 5.4 row 9) never hold.
"""

from internal_api.branch_names import is_valid_name
from repositories.policy.abilities import can_administer, can_push_code
from repositories.policy.accounts import deploy_key_may_act_for
from repositories.policy.changes import Change
from repositories.policy.facts import Project
from repositories.policy.protection import BranchRule, TagRule, counts_as_protected, may_push_to
from repositories.policy.reasons import NO_DEFAULT_BRANCH_YET, Reason
from repositories.policy.ref_names import REPLACEMENT_CHARACTER, looks_like_an_object_id
from repositories.policy.request import AccessRequest
from repositories.policy.verdicts import Denied, GitQuery, HasNewCommits, IsForced, NeedsGit

Answer = Denied | GitQuery | None


def ref_updates_are_allowed(request: AccessRequest) -> Denied | NeedsGit | None:
    """Every change in the order given. Questions for Git are collected, so that they are asked together and only if they matter."""
    if not request.is_push or request.changes is None or request.project is None or request.is_wiki:
        return None
    queries: dict[GitQuery, None] = {}
    for change in request.changes:
        answer = _change(request, request.project, change)
        if isinstance(answer, Denied):
            return NeedsGit(tuple(queries)) if queries else answer
        if answer is not None:
            queries[answer] = None
    return NeedsGit(tuple(queries)) if queries else None


def _change(request: AccessRequest, project: Project, change: Change) -> Answer:
    denied = _deploy_key(request, project, change)
    if denied is not None:
        return denied
    branch, tag = change.branch, change.tag
    if branch is not None:
        return _branch(request, project, change, branch)
    return _tag(request, project, change, tag) if tag is not None else None


def _deploy_key(request: AccessRequest, project: Project, change: Change) -> Denied | None:
    """A deploy key pushes for its owner, who has to be somebody in good standing (contract: allowed 5.3).

    Here the full name of the ref is held against the patterns for branches, so in practice only a pattern such as `*` bites.
    """
    if request.actor.deploy_key is None:
        return None
    owner = request.actor.user
    rules = request.protection.of_branch(change.ref)
    is_represented = deploy_key_may_act_for(owner, request.instance, project)
    if is_represented and (not rules or may_push_to(rules, owner, project)):
        return None
    return Denied.because_of(Reason.PUSH_NOT_ALLOWED)


def _branch(request: AccessRequest, project: Project, change: Change, name: str) -> Answer:
    """Contract: allowed 5.4, rows 1 to 4."""
    if change.deletes:
        if name == project.default_branch:
            return Denied.because_of(Reason.DEFAULT_BRANCH_DELETION)
    elif looks_like_an_object_id(name):
        return Denied.because_of(Reason.BRANCH_NAME_LIKE_OBJECT_ID)
    elif not is_valid_name(name):
        return Denied.because_of(Reason.BRANCH_NAME_INVALID)
    rules = request.protection.of_branch(name)
    if not counts_as_protected(rules, project):
        return None
    return _protected_branch(request, project, change, rules)


def _protected_branch(request: AccessRequest, project: Project, change: Change, rules: list[BranchRule]) -> Answer:
    """Contract: allowed 5.4, rows 5 to 9."""
    if project.empty:
        return _push(request, project, rules)
    if change.deletes:
        return _deletion(request)
    if change.creates:
        return _creation(request, project, change, rules)
    return _update(request, project, change, rules)


def _update(request: AccessRequest, project: Project, change: Change, rules: list[BranchRule]) -> Answer:
    if not any(rule.allow_force_push for rule in rules):
        forced = IsForced(change.oldrev, change.newrev)
        if forced not in request.answers:
            return forced
        if request.answers[forced]:
            return Denied.because_of(Reason.FORCE_PUSH)
    return _push(request, project, rules)


def _push(request: AccessRequest, project: Project, rules: list[BranchRule]) -> Denied | None:
    if may_push_to(rules, request.actor.user, project):
        return None
    if not project.empty:
        return Denied.because_of(Reason.PROTECTED_BRANCH_PUSH)
    members_url = f"{request.instance.external_url}/{project.full_path}/-/project_members"
    message = NO_DEFAULT_BRANCH_YET.format(full_path=project.full_path, members_url=members_url)
    return Denied(Reason.PROTECTED_BRANCH_PUSH, message)


def _creation(request: AccessRequest, project: Project, change: Change, rules: list[BranchRule]) -> Answer:
    if may_push_to(rules, request.actor.user, project):
        return None
    if not any(rule.merge.include(request.actor.user, project) for rule in rules):
        return Denied.because_of(Reason.PROTECTED_BRANCH_CREATION)
    unknown = HasNewCommits(change.newrev)
    if unknown not in request.answers:
        return unknown
    if request.answers[unknown]:
        return Denied.because_of(Reason.PROTECTED_BRANCH_BASIS)
    if request.protocol != "web":
        return Denied.because_of(Reason.PROTECTED_BRANCH_CREATION_BY_GIT)
    return None


def _deletion(request: AccessRequest) -> Denied | None:
    if not can_administer(request.actor.user):
        return Denied.because_of(Reason.PROTECTED_BRANCH_DELETION)
    if request.protocol != "web":
        return Denied.because_of(Reason.PROTECTED_BRANCH_DELETION_BY_GIT)
    return None


def _tag(request: AccessRequest, project: Project, change: Change, name: str) -> Denied | None:
    """Contract: allowed 5.6, rows 1 to 6; a deploy key has its owner's abilities.

    A tag that has an old revision exists: Git checks that itself when it locks the ref.
    """
    if not change.creates and not can_push_code(request.actor.user, project):
        return Denied.because_of(Reason.TAG_CHANGE)
    denied = None if change.deletes else _tag_name(project, change, name)
    if denied is not None:
        return denied
    rules = request.protection.of_tag(name)
    return _protected_tag(request, project, change, rules) if rules else None


def _tag_name(project: Project, change: Change, name: str) -> Denied | None:
    if change.creates and name == project.default_branch:
        return Denied.because_of(Reason.TAG_NAMED_LIKE_DEFAULT_BRANCH)
    if REPLACEMENT_CHARACTER in name:  # all that arrives of bytes that are not UTF-8
        return Denied.because_of(Reason.TAG_NAME_NOT_UTF8)
    if not is_valid_name(name) or name.startswith("refs/tags/"):
        return Denied.because_of(Reason.TAG_NAME_PROHIBITED)
    if looks_like_an_object_id(name):
        return Denied.because_of(Reason.TAG_NAME_LIKE_OBJECT_ID)
    return None


def _protected_tag(request: AccessRequest, project: Project, change: Change, rules: list[TagRule]) -> Denied | None:
    """Contract: allowed 5.6, rows 7 to 10."""
    if change.updates:
        return Denied.because_of(Reason.PROTECTED_TAG_UPDATE)
    if change.deletes and not can_administer(request.actor.user):
        return Denied.because_of(Reason.PROTECTED_TAG_DELETION)
    if change.deletes and request.protocol != "web":
        return Denied.because_of(Reason.PROTECTED_TAG_DELETION_BY_GIT)
    if any(rule.create.include(request.actor.user, project) for rule in rules):
        return None
    return Denied.because_of(Reason.PROTECTED_TAG_CREATION)
