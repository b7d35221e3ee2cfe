"""Which Host headers are answered."""

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port, validate_host

ALWAYS_ALLOWED = ("unix",)
"""GitLab Shell and Gitaly name a unix socket so (contract: decisions 4)."""
FOR_PROBES = frozenset({"/livez", "/readyz", "/-/liveness", "/-/readiness"})
"""Asked by an orchestrator under any name; they tell nothing that is secret."""
FOR_PROMETHEUS = frozenset({"/metrics", "/metrics/database"})
"""Asked by Prometheus under the machine's own IP address. Another name may be a web page's that was made to lead here (DNS rebinding)."""
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


def _is_ip_address(host: str) -> bool:
    domain, _ = split_domain_port(host)
    try:
        ip_address(domain.strip("[]"))
    except ValueError:
        return False
    return True


def host_is_allowed(request: HttpRequest) -> bool:
    """Return True if the request names a host of ours, or none at all, or is a probe's, Prometheus' or Workhorse's own."""
    host = request.META.get("HTTP_HOST")
    if host is None or _allowed.allows(host) or request.path_info in FOR_PROBES:
        return True
    if request.path_info in FOR_PROMETHEUS and _is_ip_address(host):
        return True
    return request.path_info in FOR_WORKHORSE and "HTTP_GITLAB_WORKHORSE_API_REQUEST" in request.META
