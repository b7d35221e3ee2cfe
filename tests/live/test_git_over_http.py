"""Git itself over HTTP: through nginx with the file that is shipped, a GitLab Workhorse's stand-in, the service, and real repositories.

contract: git-http 2, 8, 10 (C3, C4, C13 to C15).
"""

import base64
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from testing import workhorse
from tests import gitaly_server
from tests.live import hook_client
from tests.live.nginx import running_nginx
from tests.live.service import Service, temporary_directory

pytestmark = [pytest.mark.live]
PASSWORD = "a long password of somebody"
TOKENS = {
    "api": ("ann", ["api"], None),
    "reading": ("ann", ["read_repository"], None),
    "user": ("ann", ["read_user"], None),
    "expired": ("ann", ["api"], "2020-01-01"),
    "blocked": ("ben", ["api"], None),
    "max": ("max", ["api"], None),
    "out": ("out", ["api"], None),
}
DENIED = "HTTP Basic: Access denied."


def token(name: str) -> str:
    return f"glpat-{name}-token-of-the-test".ljust(26, "x")


def company(gitaly: str) -> dict[str, Any]:
    """Ann Developer and max Maintainer of a private project with a protected branch; a public one; somebody blocked, somebody with TOTP."""
    people = {
        "ann": {},
        "max": {},
        "out": {},
        "ben": {"state": "blocked"},
        "tom": {"two_factor_secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"},
        "pam": {},
    }
    users = [
        {
            "username": name,
            "email": f"{name}@example.com",
            "password": PASSWORD,
            **fields,
            "personal_access_tokens": [
                {"name": label, "token": token(label), "scopes": scopes, "expires_at": expires}
                for label, (owner, scopes, expires) in TOKENS.items()
                if owner == name
            ],
        }
        for name, fields in people.items()
    ]
    members = {"ann": "developer", "pam": "developer", "tom": "developer", "ben": "developer", "max": "maintainer"}
    protected = [{"name": "main", "push": ["maintainer"], "merge": ["maintainer"], "allow_force_push": False}]
    return {
        "instance": {"log_git_audit_events": True},
        "storages": [{"name": "default", "gitaly_address": gitaly, "gitaly_token": "gitaly's own token"}],
        "users": users,
        "groups": [{"path": "gnuwget"}, {"path": "pub", "visibility": "public"}],
        "projects": [
            {"id": 7, "path": "gnuwget/wget2", "members": members, "protected_branches": protected, "redirects_from": ["gnuwget/old"]},
            {"id": 8, "path": "pub/lic", "visibility": "public", "members": members},
        ],
    }


@dataclass
class Site:
    """All of it."""

    directory: Path
    service: Service
    workhorse: workhorse.Workhorse
    gitaly: gitaly_server.FakeGitaly
    url: str
    clones: int = field(default=0)

    def address(self, path: str, user: str = "", password: str = "") -> str:
        """A clone URL, with credentials in it."""
        parts = urlsplit(self.url)
        credentials = f"{user}:{password.replace(' ', '%20')}@" if user or password else ""
        return f"{parts.scheme}://{credentials}{parts.netloc}/{path}.git"

    def git(self, *arguments: str, cwd: Path | None = None, code: int = 0) -> str:
        """Run git as a person without any configuration; what it prints at the terminal. Raises AssertionError."""
        environment = {
            "PATH": "/usr/bin:/bin:/usr/local/bin",
            "HOME": str(self.directory / "home"),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_SSL_NO_VERIFY": "1",
            "GIT_AUTHOR_NAME": "A",
            "GIT_AUTHOR_EMAIL": "a@example.com",
            "GIT_COMMITTER_NAME": "A",
            "GIT_COMMITTER_EMAIL": "a@example.com",
        }
        done = subprocess.run(["git", *arguments], cwd=cwd or self.directory, env=environment, capture_output=True, text=True, check=False)
        printed = done.stdout + done.stderr
        assert done.returncode == code, printed
        return printed

    def clone(self, path: str, user: str = "", password: str = "") -> Path:
        """A new clone."""
        self.clones += 1
        target = self.directory / f"clone-{self.clones}"
        self.git("clone", "--quiet", self.address(path, user, password), str(target))
        return target

    def refused_clone(self, path: str, user: str = "", password: str = "") -> str:
        """What git prints when a clone is refused."""
        return self.git("clone", self.address(path, user, password), str(self.directory / "refused"), code=128)

    def commit(self, clone: Path, branch: str, name: str = "file") -> str:
        """A commit on a new branch of a clone."""
        self.git("checkout", "-q", "-B", branch, cwd=clone)
        (clone / name).write_text(f"{branch} {self.clones}\n")
        self.git("add", ".", cwd=clone)
        self.git("commit", "-q", "-m", f"on {branch}", cwd=clone)
        return self.git("rev-parse", "HEAD", cwd=clone).strip()

    def asked(self) -> list[tuple[str, str, str, int]]:
        """What Workhorse has asked since the last time."""
        found = list(self.workhorse.backend.asked)
        self.workhorse.backend.asked.clear()
        return found


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    directory = temporary_directory()
    (directory / "home").mkdir()
    repositories = directory / "repositories"
    service = Service(directory, workers=1)
    service.environment["EXTERNAL_URL"] = "https://localhost"
    secret = os.urandom(32)
    (directory / "workhorse_secret").write_text(base64.b64encode(secret).decode() + "\n")
    with gitaly_server.running(repositories, token="gitaly's own token") as gitaly:
        gitaly.on_create = lambda path, gl_repository: hook_client.install(path, service.url, service.shell_secret, gl_repository)
        service.migrate()
        service.seed(company(gitaly.address))
        service.start()
        with (
            workhorse.running(service.port, secret, repositories) as front,
            running_nginx(directory, service.port, urlsplit(front.url).port or 0) as nginx,
        ):
            running = Site(directory, service, front, gitaly, nginx.outer)
            _fill(running)
            yield running
        service.stop()
    shutil.rmtree(directory, ignore_errors=True)


def _fill(site: Site) -> None:
    """First commits, by whoever may push to a protected branch."""
    for path in ("gnuwget/wget2", "pub/lic"):
        clone = site.clone(path, "x", token("max"))
        site.commit(clone, "main")
        site.git("push", "-q", "origin", "main", cwd=clone)
    site.asked()


def test_workhorse_asked_for_geo_at_its_start(site: Site) -> None:
    """contract: git-http 13: through no proxy, under its own host."""
    answer = site.workhorse.backend.call("GET", "/api/v4/geo/proxy")
    assert (answer.status, answer.body) == (200, b'{"geo_enabled":false}')
    site.asked()


def test_a_public_project_is_cloned_by_anybody(site: Site) -> None:
    site.asked()
    assert (site.clone("pub/lic") / "file").read_text()
    assert {kind for kind, *_ in site.asked()} == {"a"}


def test_protocol_version_0_and_a_shallow_clone(site: Site) -> None:
    site.git("-c", "protocol.version=0", "clone", "-q", site.address("pub/lic"), str(site.directory / "version0"))
    site.git("clone", "-q", "--depth", "1", "--filter=blob:none", site.address("pub/lic"), str(site.directory / "shallow"))


def test_a_private_project_is_cloned_with_a_token(site: Site) -> None:
    """Each command begins without credentials (C14)."""
    site.asked()
    site.clone("gnuwget/wget2", "anybody", token("api"))
    statuses = [(method, status) for kind, method, _, status in site.asked() if kind == "a"]
    assert statuses[:2] == [("GET", 401), ("GET", 200)]
    assert set(statuses[2:]) == {("POST", 200)}
    site.clone("gnuwget/wget2", "anybody", token("reading"))
    site.clone("gnuwget/wget2", "pam", PASSWORD)


@pytest.mark.parametrize(
    ("user", "password", "text"),
    [
        ("x", token("user"), "You are not allowed to download code."),
        ("x", token("out"), "The project you were looking for could not be found or you don't have permission to view it."),
        ("x", token("expired"), DENIED),
        ("x", token("blocked"), DENIED),
        ("x", "glpat-nobodys-token-at-all-xx", DENIED),
        ("tom", PASSWORD, DENIED),  # a second factor
        ("ann", "wrong", DENIED),
    ],
)
def test_refused_clones_are_told_at_the_terminal(site: Site, user: str, password: str, text: str) -> None:
    assert f"remote: {text}" in site.refused_clone("gnuwget/wget2", user, password)


def test_without_credentials_git_asks_for_some(site: Site) -> None:
    printed = site.refused_clone("gnuwget/wget2")
    assert "could not read Username" in printed
    assert site.refused_clone("no/where").replace("no/where", "") == printed.replace("gnuwget/wget2", "")


def test_a_push(site: Site) -> None:
    """The hooks ask with protocol `http`, as the user, with the client's address (C15)."""
    clone = site.clone("gnuwget/wget2", "x", token("api"))
    head = site.commit(clone, "topic")
    site.git("push", "origin", "topic", cwd=clone)
    assert head in site.git("ls-remote", site.address("gnuwget/wget2", "x", token("api")))
    log = (site.directory / "service.log").read_text()
    assert '"path": "/api/v4/internal/post_receive"' in log


def test_a_push_that_is_larger_than_gits_buffer(site: Site) -> None:
    """Git probes with four bytes, then sends chunks (C14)."""
    clone = site.clone("gnuwget/wget2", "x", token("api"))
    (clone / "big").write_bytes(os.urandom(3 * 1024 * 1024))
    site.commit(clone, "big-topic")
    site.git("-c", "http.postBuffer=65536", "push", "origin", "big-topic", cwd=clone)


def test_a_protected_branch_is_refused_by_the_hook(site: Site) -> None:
    clone = site.clone("gnuwget/wget2", "x", token("api"))
    site.commit(clone, "main", "other")
    printed = site.git("push", "origin", "main", cwd=clone, code=1)
    assert "remote: GitLab: You are not allowed to push code to protected branches on this project." in printed
    assert "! [remote rejected] main -> main (pre-receive hook declined)" in printed


def test_a_reading_token_does_not_push(site: Site) -> None:
    clone = site.clone("gnuwget/wget2", "x", token("reading"))
    site.commit(clone, "reading")
    assert "remote: You are not allowed to upload code." in site.git("push", "origin", "reading", cwd=clone, code=128)


def test_a_push_creates_a_project(site: Site) -> None:
    """contract: git-http 2.6; the hook's answer names the HTTP address."""
    clone = site.directory / "fresh"
    site.git("init", "-q", str(clone))
    site.commit(clone, "main")
    printed = site.git("push", site.address("ann/fresh", "x", token("api")), "main", cwd=clone)
    assert "remote: https://localhost/ann/fresh.git" in printed or "https://localhost/ann/fresh.git" in printed
    site.clone("ann/fresh", "x", token("api"))
    assert "could not be found" in site.refused_clone("ann/fresh", "x", token("out"))


def test_a_wiki(site: Site) -> None:
    """Decisions 16d: its repository is created before the first push."""
    clone = site.directory / "wiki"
    site.git("init", "-q", str(clone))
    site.commit(clone, "main", "home.md")
    site.git("push", site.address("pub/lic.wiki", "x", token("api")), "main", cwd=clone)
    assert (site.clone("pub/lic.wiki") / "home.md").exists()


def test_without_git_at_the_end_and_by_a_former_path(site: Site) -> None:
    """contract: git-http 2.10, 85, 86: credentials are kept over the redirect; the new address is told after a push."""
    address = site.address("gnuwget/wget2", "x", token("api")).removesuffix(".git")
    site.git("clone", "-q", address, str(site.directory / "redirected"))
    clone = site.clone("gnuwget/old", "x", token("api"))
    site.commit(clone, "moved")
    assert "git remote set-url origin https://localhost/gnuwget/wget2.git" in site.git("push", "origin", "moved", cwd=clone)


def test_a_project_whose_repository_is_marked_missing(site: Site) -> None:
    """contract: git-http C4: said by the service, since Workhorse's own text is unreadable."""
    site.service.seed({"projects": [{"path": "gnuwget/none", "members": {"ann": "developer"}}]})  # which makes its repository
    site.service.seed({"projects": [{"path": "gnuwget/none", "repository": {"exists": False}}]})
    printed = site.refused_clone("gnuwget/none", "x", token("api"))
    assert "A repository for this project does not exist yet." in printed


def test_gitaly_away(site: Site) -> None:
    site.workhorse.gitaly_is_away = True
    try:
        assert "remote: The git server, Gitaly, is not available at this time." in site.refused_clone("pub/lic")
    finally:
        site.workhorse.gitaly_is_away = False


def test_audit_calls(site: Site) -> None:
    """contract: git-http C13: a clone counts once, ls-remote not at all."""
    before = _audited(site)
    site.clone("gnuwget/wget2", "x", token("api"))
    site.git("ls-remote", site.address("gnuwget/wget2", "x", token("api")))
    assert _audited(site) - before == 1
    assert set(site.workhorse.audits) == {200}


def _audited(site: Site) -> int:
    return site.service.manage("audit_events").count('"repository_git_operation"')


def test_no_log_holds_credentials(site: Site) -> None:
    """Credentials in URLs reach neither the service's log nor nginx's."""
    site.clone("gnuwget/wget2", "secret-user-part", token("api"))
    site.refused_clone("gnuwget/wget2", "secret-user-part", "a-secret-password-part")
    for name in ("service.log", "access.log", "nginx.log"):
        written = (site.directory / name).read_text()
        assert "secret-user-part" not in written
        assert "a-secret-password-part" not in written
        assert "glpat-" not in written
        assert "Basic" not in written


def test_the_outer_door_hides_the_internal_api_from_workhorse_too(site: Site) -> None:
    site.asked()
    command = ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}"]
    for path in ("/api/v4/internal/check", "/metrics"):
        assert subprocess.run([*command, site.url + path], capture_output=True, text=True, check=True).stdout == "404"
    assert not site.asked()


def test_what_is_not_gits_goes_past_workhorse(site: Site) -> None:
    """Without a Workhorse everything but Git is served."""
    site.asked()
    done = subprocess.run(["curl", "-sk", f"{site.url}/admin/login/"], capture_output=True, text=True, check=True)
    assert "csrfmiddlewaretoken" in done.stdout
    assert not site.asked()


def test_a_client_that_expects_100_continue_reads_the_true_status(site: Site) -> None:
    """contract: git-http C2: the service never sends `100 Continue` to Workhorse, which would make 200 of every refusal."""
    command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Expect: 100-continue", "--data-binary", "x" * 2000]
    done = subprocess.run([*command, f"{site.workhorse.url}/api/v4/internal/check"], capture_output=True, text=True, check=True)
    assert done.stdout == "401"
