"""Who sends a request of Git or Git LFS over HTTP: a personal access token, a password, an LFS token, or nobody.

`authenticate` looks at the credentials alone, `Caller.admit` at the account behind them and at what nobody may reach, once the
facts of the decision are there: so both cost one query together (contract: git-http 2.2, 2.3).
"""

from dataclasses import dataclass, field
from enum import StrEnum

from django.http import HttpRequest

from accounts.selectors.actors import NOBODY, ActorKind, ActorReference
from accounts.selectors.token_lookup import FoundToken, TokenLookup, look_up_token
from accounts.services.git_password import AddressIsBannedError, PasswordSignIn, WrongPasswordError, find_by_password
from accounts.services.lfs_tokens import has_token_shape, was_issued
from accounts.services.token_use import record_token_use
from git_http.credentials import BasicCredentials, MalformedCredentialsError, credential_of_scopes, read_basic_credentials
from git_http.errors import BannedAddressError, UnauthenticatedError
from internal_api.failed_attempts import FailedAttempts
from internal_api.logs import note
from internal_api.peers import peer_of
from repositories.access_check import AccessCheck
from repositories.policy import EVERYTHING, Action, Credential, RepositoryType, User, actor_can_read
from repositories.policy.abilities import address_is_allowed, can_download, can_download_wiki
from repositories.selectors.facts import ContainerReference, Facts
from repositories.services.lfs import find_lfs_token_holder, lfs_check

UNKNOWN_ADDRESS = "unknown"
"""Instead of the address of a client that has none, as behind a unix socket: it is in no group's list of addresses."""
_CLOSED_STATES = frozenset({"blocked", "ldap_blocked", "banned", "blocked_pending_approval"})
_TOKENS_ONLY = frozenset({"service_account", "project_bot"})


class CredentialKind(StrEnum):
    """With what somebody came."""

    NONE = "none"
    TOKEN = "personal_access_token"  # noqa: S105  a kind, not a token
    PASSWORD = "password"  # noqa: S105  likewise
    LFS_TOKEN = "lfs_token"  # noqa: S105  likewise


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request.

    `authorization` is the header as it was sent; `address` is the client's IP address, empty behind a unix socket.
    """

    who: ActorReference
    kind: CredentialKind
    credential: Credential
    address: str
    authorization: str = field(default="", repr=False)
    token: FoundToken | None = None
    namespace_path: str | None = None
    """The group of the certificate that stands behind an LFS token."""
    sign_in: PasswordSignIn | None = None
    may_renew: bool = True
    """Whether the caller may be given a later LFS token: not in exchange for one that a batch gave out."""

    @property
    def is_anonymous(self) -> bool:
        return self.kind == CredentialKind.NONE

    def check(self, what: ContainerReference, action: str, *, is_lfs: bool = False) -> AccessCheck:
        """Return the access check of this caller; of LFS, a download is `git-upload-pack` and an upload `git-receive-pack`."""
        return AccessCheck(
            self.who,
            what,
            action,
            "http",
            check_ip=self.address or UNKNOWN_ADDRESS,
            namespace_path=self.namespace_path,
            credential=self.credential,
            is_lfs=is_lfs,
        )

    def admit(self, check: AccessCheck, facts: Facts) -> None:
        """Refuse accounts that may not authenticate, and strangers where nothing is public. Raises UnauthenticatedError.

        Called with the facts before anything is decided, as `authorize(check, admit=...)` does. The use of a token that may
        authenticate is noted, once a day, whatever is decided afterwards.
        """
        if self.is_anonymous:
            is_admitted = anonymous_may_download(check, facts)
        elif facts.actor.account is None:  # a deploy key's LFS token, unless the account was deleted a moment ago
            is_admitted = facts.actor.deploy_key is not None
        else:
            is_admitted = self._is_admitted(facts.actor.account, check, facts)
        if not is_admitted:
            raise UnauthenticatedError
        if self.token is not None and self.token.use_is_old:
            record_token_use(self.token.id)
        if self.sign_in is not None:
            self.sign_in.remember()

    def _is_admitted(self, user: User, check: AccessCheck, facts: Facts) -> bool:
        if not self._may_authenticate(user, facts):
            if self.kind == CredentialKind.PASSWORD:
                FailedAttempts(self.address).count()
            return False
        return user.user_type not in _TOKENS_ONLY or _sees_project(check, facts)

    def _may_authenticate(self, user: User, facts: Facts) -> bool:
        if user.state in _CLOSED_STATES or user.password_expired:
            return False
        if user.needs_email_confirmation and facts.settings.email_confirmation == "hard":
            return False
        return not (user.locked and self.credential.closed_by_lock)


def authenticate(request: HttpRequest, *, lfs_repository: ContainerReference | None = None) -> Caller:
    """Return who sends a request; the caller is anonymous only where no Basic credentials are sent.

    `lfs_repository` is the repository of a request below `info/lfs/` or `gitlab-lfs/`, where LFS tokens are taken too.
    Raises UnauthenticatedError, BannedAddressError, and UnavailableError while too many passwords are hashed; the request's log
    line says that it was refused.
    """
    try:
        return _authenticated(request, lfs_repository)
    except Exception:
        note(request, refused=True)
        raise


def _authenticated(request: HttpRequest, lfs_repository: ContainerReference | None) -> Caller:
    attempts = FailedAttempts(peer_of(request.META))
    header = str(request.META.get("HTTP_AUTHORIZATION", ""))
    try:
        given = read_basic_credentials(header)
    except MalformedCredentialsError:
        given = BasicCredentials("", "")
    if given is None:
        return Caller(NOBODY, CredentialKind.NONE, EVERYTHING, attempts.address)
    found = look_up_token(given.password, attempts)
    if found.is_banned:
        raise BannedAddressError
    caller = _identify(given, found, attempts, header, lfs_repository)
    if caller is None:
        # Of a token that is over, somebody was given it: it is no guess.
        if found.token is None and not was_issued(given.user, given.password):
            attempts.count()
        raise UnauthenticatedError
    if found.has_failed:
        attempts.reset()
    return caller


def _identify(
    given: BasicCredentials, found: TokenLookup, attempts: FailedAttempts, header: str, lfs_repository: ContainerReference | None
) -> Caller | None:
    """Return the first that fits: an LFS token, a personal access token, a password."""
    address = attempts.address
    if not given.password.strip():
        return None
    if lfs_repository is not None and (caller := _holder_of_lfs_token(given, address, header, lfs_repository)) is not None:
        return caller
    token = found.token
    if token is not None:
        if token.is_over:
            return None
        who = ActorReference(ActorKind.USER, token.user_id)
        return Caller(who, CredentialKind.TOKEN, credential_of_scopes(token.scopes), address, header, token)
    if not found.settings.password_authentication_enabled_for_git or has_token_shape(given.password):
        return None
    return _owner_of_password(given, attempts, header)


def _owner_of_password(given: BasicCredentials, attempts: FailedAttempts, header: str) -> Caller:
    """Return the user whose password it is. Raises UnauthenticatedError, already counted, and BannedAddressError."""
    try:
        found = find_by_password(given.user, given.password, attempts)
    except WrongPasswordError:
        raise UnauthenticatedError from None
    except AddressIsBannedError:
        raise BannedAddressError from None
    who = ActorReference(ActorKind.USER, found.user_id)
    return Caller(who, CredentialKind.PASSWORD, EVERYTHING, attempts.address, header, sign_in=found)


def _holder_of_lfs_token(given: BasicCredentials, address: str, header: str, repository: ContainerReference) -> Caller | None:
    if given.password.count(".") != 2:  # noqa: PLR2004  the dots of a JSON web token
        return None
    found = find_lfs_token_holder(given.user, given.password, repository)
    if found is None:
        return None
    check = lfs_check(*found, repository, "", address or UNKNOWN_ADDRESS)
    return Caller(
        check.who,
        CredentialKind.LFS_TOKEN,
        check.credential,
        address,
        header,
        namespace_path=check.namespace_path,
        may_renew=found[0].may_renew,
    )


def anonymous_may_download(check: AccessCheck, facts: Facts) -> bool:
    """Whether nobody may download here: something public, over a protocol and from an address that are open (git-http 2.3)."""
    project, instance = facts.project, facts.instance
    if project is None or check.action != Action.UPLOAD_PACK or instance.enabled_git_access_protocol not in ("", "http"):
        return False
    if facts.repository_type == RepositoryType.PROJECT:
        is_open = can_download(facts.actor, project)
    else:
        is_open = facts.repository_type == RepositoryType.WIKI and can_download_wiki(facts.actor, project)
    return is_open and address_is_allowed(check.check_ip, project.root_ip_allowlist)


def _sees_project(check: AccessCheck, facts: Facts) -> bool:
    project = facts.project
    return project is not None and actor_can_read(facts.actor, project) and address_is_allowed(check.check_ip, project.root_ip_allowlist)
