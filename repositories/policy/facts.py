"""What a decision is made from: plain facts, gathered beforehand, so that deciding asks nobody anything."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Action(StrEnum):
    """The Git commands that are served."""

    UPLOAD_PACK = "git-upload-pack"
    UPLOAD_ARCHIVE = "git-upload-archive"
    RECEIVE_PACK = "git-receive-pack"


class Role(IntEnum):
    """Access levels (contract: allowed 9). Minimal access makes nobody a member of a project."""

    NONE = 0
    MINIMAL = 5
    GUEST = 10
    PLANNER = 15
    REPORTER = 20
    SECURITY_MANAGER = 25
    DEVELOPER = 30
    MAINTAINER = 40
    OWNER = 50
    ADMIN = 60


class RepositoryType(StrEnum):
    """Which of a project's repositories is asked for; the values are the prefix of `gl_repository`."""

    PROJECT = "project"
    WIKI = "wiki"
    DESIGN = "design"


class KeyKind(StrEnum):
    """The values are `gl_key_type` on the wire."""

    USER = "key"
    DEPLOY = "deploy_key"


@dataclass(frozen=True, slots=True)
class Instance:
    """The instance's settings, as far as they decide. Built once per version of the settings."""

    external_url: str = "http://localhost:3001"
    ssh_user: str = "git"
    ssh_host: str = "localhost"
    ssh_port: int = 22
    read_only: bool = False
    read_only_message: str = ""
    enabled_git_access_protocol: str = ""
    require_two_factor_for_git: bool = False
    enforce_terms: bool = False
    http_pull: bool = True
    http_push: bool = True
    lfs_enabled: bool = True
    lfs_integrity_check: str = "used"


@dataclass(frozen=True, slots=True)
class Key:
    """The key somebody came with.

    `problem` is what the site's rules on type and length have against it, as the end of a sentence; `enabled` and
    `can_push` are a deploy key's grant for this project.
    """

    id: int
    kind: str = KeyKind.USER
    problem: str | None = None
    expired: bool = False
    expires_soon: bool = False
    enabled: bool = False
    can_push: bool = False

    @property
    def is_deploy_key(self) -> bool:
        return self.kind == KeyKind.DEPLOY


@dataclass(frozen=True, slots=True)
class User:
    """Who acts, or who owns the deploy key that acts. `role` is the highest one here: direct, inherited or through a shared group."""

    id: int
    username: str = ""
    user_type: str = "human"
    state: str = "active"
    locked: bool = False
    admin: bool = False
    external: bool = False
    needs_email_confirmation: bool = False
    terms_accepted: bool = True
    password_expired: bool = False
    ssh_keys_disabled: bool = False
    two_factor_enabled: bool = False
    has_otp_session: bool = False
    role: int = Role.NONE

    @property
    def is_member(self) -> bool:
        return self.role >= Role.GUEST


@dataclass(frozen=True, slots=True)
class Actor:
    """The key there is one of, and the user it stands for; nobody at all is an anonymous actor (contract: allowed 2)."""

    key: Key | None = None
    user: User | None = None

    @property
    def deploy_key(self) -> Key | None:
        return self.key if self.key is not None and self.key.is_deploy_key else None

    @property
    def account(self) -> User | None:
        """Whose account is checked and whose role counts: for a deploy key nobody's."""
        return None if self.deploy_key is not None else self.user


@dataclass(frozen=True, slots=True)
class Project:
    """The project whose repository is asked for, and what it inherits from the groups above it.

    `has_unreadable_rules`: a stored value that restricts the project, or says where it lies, cannot be read.
    """

    id: int
    full_path: str
    visibility: str = "private"
    archived: bool = False
    read_only: bool = False
    empty: bool = False
    repository_exists: bool = True
    wiki_exists: bool = True
    repository_access_level: str = "enabled"
    wiki_access_level: str = "enabled"
    default_branch: str = "main"
    root_id: int = 0
    root_path: str = ""
    root_is_group: bool = True
    root_protocol: str = "all"
    root_ip_allowlist: tuple[str, ...] = ()
    root_enforces_ssh_certificates: bool = False
    over_storage_limit: bool = False
    storage_limit: int = 0
    default_branch_push: str = "maintainer"
    developer_can_initial_push: bool = False
    shows_merge_request_links: bool = True
    lfs_enabled: bool = True
    has_lfs_objects: bool = False
    has_unreadable_rules: bool = False


@dataclass(frozen=True, slots=True)
class Destination:
    """The namespace in which a first push would create its project, and what it inherits from the groups above it.

    `may_create` is about the actor's role there, `has_room` about the owner's `projects_limit`; `archived` counts ancestors too.
    The `root_` fields are those that the project would have.
    """

    namespace_id: int
    may_create: bool
    has_room: bool = True
    archived: bool = False
    root_path: str = ""
    root_is_group: bool = True
    root_protocol: str = "all"
    root_ip_allowlist: tuple[str, ...] = ()
    root_enforces_ssh_certificates: bool = False
    has_unreadable_rules: bool = False
