"""Which Host headers are answered."""

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port, validate_host

ALWAYS_ALLOWED = ("unix",)
"""GitLab Shell and Gitaly name a unix socket so (contract: decisions 4)."""
FOR_PROBES = frozenset({"/livez", "/readyz", "/-/liveness", "/-/readiness", "/metrics"})
"""Asked by an orchestrator or Prometheus under the machine's own address."""
FOR_WORKHORSE = frozenset(
    {
        "/api/v4/geo/proxy",
        "/api/v4/internal/shellhorse/git_audit_event",
        "/api/v4/internal/workhorse/authorize_upload",
    }
)
"""What GitLab Workhorse asks by itself, under the host of its own `-authBackend` (contract: git-http 1.8, LD19)."""
_REMEMBERED = 256


class AllowedHosts:
    """The hosts of ALLOWED_HOSTS, with the answers for the names seen last: every request asks."""

    def __init__(self) -> None:
        self._patterns: list[str] | None = None
        self._known: dict[str, bool] = {}

    def allows(self, host: str) -> bool:
        """Return True if a Host header, port included, names this service."""
        if self._patterns is not settings.ALLOWED_HOSTS or len(self._known) >= _REMEMBERED:
            self._patterns, self._known = settings.ALLOWED_HOSTS, {}
        known = self._known.get(host)
        if known is None:
            domain, _ = split_domain_port(host)
            known = bool(domain) and validate_host(domain, [*ALWAYS_ALLOWED, *settings.ALLOWED_HOSTS])
            self._known[host] = known
        return known


_allowed = AllowedHosts()


def host_is_allowed(request: HttpRequest) -> bool:
    """Return True if the request names a host of ours, or none at all, or is a probe's or Workhorse's own."""
    host = request.META.get("HTTP_HOST")
    if host is None or _allowed.allows(host) or request.path_info in FOR_PROBES:
        return True
    return request.path_info in FOR_WORKHORSE and "HTTP_GITLAB_WORKHORSE_API_REQUEST" in request.META
