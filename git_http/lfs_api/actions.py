"""What the batch API answers for each object: where its bytes go or come from, and with which headers (contract: git-http 3.4)."""

import base64
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings

from accounts.selectors.acting_accounts import find_acting_account
from accounts.services.lfs_tokens import issue_lfs_token, lfs_username
from git_http.authentication import anonymous_may_download
from git_http.lfs_api.access import LFSAccess
from repositories.lfs.storage import lfs_storage
from repositories.models.lfs import LARGEST_SIZE, is_oid
from repositories.policy import Actor
from repositories.policy.repository_path import container_path
from repositories.services.lfs import global_id
from repositories.services.one_shot_messages import clone_url

OBJECT_MISSING = "Object does not exist on the server or you don't have permissions to access it"
INVALID_OID = "oid must be a SHA-256 of 64 lower-case hexadecimal digits"
INVALID_SIZE = "size must be an integer from 0 to 9223372036854775807"
type_of_entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Actions:
    """Makes the entries of one answer, which share their `Authorization`. `expires_in` is None where none of our tokens is in it."""

    base: str
    header: dict[str, str] = field(repr=False)
    expires_in: int | None
    authenticated: bool = False
    direct: bool = False

    def download(self, entry: type_of_entry) -> type_of_entry:
        """Return the entry of an object that can be downloaded."""
        oid = entry["oid"]
        if self.direct:
            return {**entry, "actions": {"download": {"href": str(lfs_storage().locate(oid))}}}
        action = self._action(f"{self.base}/{oid}", self.header)
        told = {"authenticated": True} if self.authenticated else {}
        return {**entry, **told, "actions": {"download": action}}

    def upload(self, entry: type_of_entry) -> type_of_entry:
        """Return the entry of an object that is to be uploaded: by its type Workhorse takes it, chunked git-lfs streams it."""
        header = {**self.header, "Content-Type": "application/octet-stream", "Transfer-Encoding": "chunked"}
        return {**entry, "actions": {"upload": self._action(f"{self.base}/{entry['oid']}/{entry['size']}", header)}}

    def _action(self, href: str, header: dict[str, str]) -> dict[str, Any]:
        action: dict[str, Any] = {"href": href, "header": header}
        return action if self.expires_in is None else {**action, "expires_in": self.expires_in}


def actions_for(access: LFSAccess) -> Actions:
    """Return what makes the entries of the answer to a caller."""
    path = container_path(access.project.full_path, access.facts.repository_type)
    base = f"{clone_url(path, 'http')}/gitlab-lfs/objects"
    header, expires_in = _authorization(access)
    is_public = anonymous_may_download(access.check, replace(access.facts, actor=Actor()))
    return Actions(base, header, expires_in, authenticated=is_public, direct=lfs_storage().is_direct)


def _authorization(access: LFSAccess) -> tuple[dict[str, str], int | None]:
    """Return the header for the transfers, and the seconds for which a token of ours in it is valid."""
    caller = access.caller
    if caller.is_anonymous:
        return {}, None
    if access.user is None or not caller.may_renew:
        return {"Authorization": caller.authorization}, None
    account = find_acting_account(caller.who)
    token = issue_lfs_token(account, global_id(access.facts), may_upload=caller.credential.push, may_renew=False)
    pair = f"{lfs_username(account)}:{token}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}, settings.LFS_TOKEN_TTL


def entry_problem(entry: type_of_entry) -> str | None:
    """Return what is wrong with an object that a client names; None for nothing."""
    if not is_oid(entry.get("oid")):
        return INVALID_OID
    size = entry.get("size")
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= LARGEST_SIZE:
        return INVALID_SIZE
    return None


def failed(entry: type_of_entry, code: int, message: str) -> type_of_entry:
    """Return the entry of an object that cannot be served; the client goes on with the others."""
    return {**entry, "error": {"code": code, "message": message}}
