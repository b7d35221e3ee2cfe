"""From what a client names to what is looked up: paths as typed, `gl_repository` ids, places on disk (contract: allowed 3 and 6)."""

import hashlib
import re
from dataclasses import dataclass

from repositories.policy.facts import RepositoryType

RESERVED_TOP_LEVEL_NAMES = frozenset(
    [
        "-",
        ".well-known",
        "admin",
        "api",
        "assets",
        "dashboard",
        "explore",
        "groups",
        "health_check",
        "help",
        "import",
        "jwt",
        "login",
        "o",
        "oauth",
        "profile",
        "projects",
        "public",
        "s",
        "search",
        "snippets",
        "unsubscribes",
        "uploads",
        "users",
        "v2",
        "404.html",
        "422.html",
        "500.html",
        "502.html",
        "503.html",
        "favicon.ico",
        "favicon.png",
        "robots.txt",
        "sitemap",
        "sitemap.xml",
        "sitemap.xml.gz",
        "apple-touch-icon.png",
        "apple-touch-icon-precomposed.png",
    ]
)
RESERVED_PROJECT_NAMES = frozenset(
    [
        "-",
        "badges",
        "blame",
        "blob",
        "builds",
        "commits",
        "create",
        "create_dir",
        "edit",
        "environments/folders",
        "files",
        "find_file",
        "gitlab-lfs/objects",
        "info/lfs/objects",
        "new",
        "preview",
        "raw",
        "refs",
        "tree",
        "update",
        "wikis",
    ]
)
_SEGMENT = re.compile(r"[a-zA-Z0-9_.][a-zA-Z0-9_.-]*")
_GL_REPOSITORY = re.compile(r"(project|wiki|design)-([1-9][0-9]{0,18})|project-([1-9][0-9]{0,18})-wiki", re.ASCII)
LARGEST_ID = 2**63 - 1
_WIKI = ".wiki"
_DESIGN = ".design"


@dataclass(frozen=True, slots=True)
class RepositoryId:
    """What `gl_repository` names."""

    repository_type: RepositoryType
    project_id: int


def parse_gl_repository(text: str) -> RepositoryId | None:
    """`project-7`, `wiki-7` or `design-7`; None for anything else, which is "not found" (contract: decisions 2 and 18)."""
    match = _GL_REPOSITORY.fullmatch(text)
    if match is None:
        return None
    project_id = int(match[2] or match[3])
    if project_id > LARGEST_ID:
        return None
    return RepositoryId(RepositoryType(match[1]) if match[1] else RepositoryType.WIKI, project_id)


def gl_repository(repository_type: str, project_id: int) -> str:
    """The id by which GitLab Shell and Gitaly know a repository."""
    return f"{repository_type}-{project_id}"


def clean_path(requested: str) -> str:
    """A path as typed, without one leading slash, one trailing slash and one `.git`."""
    return requested.removeprefix("/").removesuffix("/").removesuffix(".git")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A project that a path may name, and which of its repositories."""

    project_path: str
    repository_type: RepositoryType


def candidates(path: str) -> tuple[Candidate, ...]:
    """What a cleaned path may stand for, the likeliest first: a project really called `x.wiki` beats the wiki of `x`."""
    found = (Candidate(path, RepositoryType.PROJECT),)
    if path.endswith(_WIKI):
        return (*found, Candidate(path.removesuffix(_WIKI), RepositoryType.WIKI))
    if path.endswith(_DESIGN):
        return (*found, Candidate(path.removesuffix(_DESIGN), RepositoryType.DESIGN))
    return found


def named_type(path: str) -> RepositoryType:
    """What a cleaned path reads like, whether or not anything is there: `x.wiki` like a wiki."""
    return candidates(path)[-1].repository_type


def creatable_path(path: str) -> tuple[str, str] | None:
    """Namespace path and path of the project that a first push to this path may create; wikis and designs are never created so."""
    return None if path.lower().endswith((_WIKI, _DESIGN)) else split_path(path)


def split_path(path: str) -> tuple[str, str] | None:
    """Namespace path and project path of a cleaned path; None when it cannot be one (contract: allowed 3.5)."""
    namespace_path, slash, project_path = path.rpartition("/")
    if not slash or not all(_is_segment(segment) for segment in [*namespace_path.split("/"), project_path]):
        return None
    if namespace_path.split("/", 1)[0].lower() in RESERVED_TOP_LEVEL_NAMES or project_path.lower() in RESERVED_PROJECT_NAMES:
        return None
    return namespace_path, project_path


def _is_segment(text: str) -> bool:
    return _SEGMENT.fullmatch(text) is not None and not text.lower().endswith((".git", ".atom"))


def container_path(full_path: str, repository_type: str) -> str:
    """`gl_project_path`: where the repository is, as people write it."""
    return full_path + {RepositoryType.WIKI: _WIKI, RepositoryType.DESIGN: _DESIGN}.get(RepositoryType(repository_type), "")


def is_relative_path(text: str) -> bool:
    """Whether a repository may lie at this path below its storage, and nowhere else."""
    segments = text.split("/")
    return text.isprintable() and all(segment and segment not in (".", "..") for segment in segments)


def relative_path(project_id: int, repository_type: str, stored: str | None = None) -> str:
    """Where the repository lies below its storage: as stored, or by the hash of the project's id."""
    if stored is not None:
        base = stored.removesuffix(".git")
    else:
        digest = hashlib.sha256(str(project_id).encode()).hexdigest()
        base = f"@hashed/{digest[:2]}/{digest[2:4]}/{digest}"
    return container_path(base, repository_type) + ".git"
