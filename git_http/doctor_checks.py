"""What the doctor looks at of Git over HTTP: the secret, whether a GitLab Workhorse asks, and whether it names its clients (LD23)."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from git_http.workhorse import latest_version
from internal_api.doctor import Consultation, Finding, problem, register_check, warning, well
from internal_api.models import LastCall, RefusedPeer
from internal_api.models.last_call import CallKind
from internal_api.service_secrets import secret_file_of
from internal_api.service_tokens import WORKHORSE, UnusableSecretError

NAME, CALLS, ADDRESSES = "Workhorse secret", "calls from Workhorse", "addresses of Git's clients"
RECENT = timedelta(days=1)
_MAKE = "Make one with `openssl rand -base64 32`, let GitLab Workhorse's -secretPath name a copy of it, and restart both."
_UNSEEN = (
    "A clone that answers 500, while no call came, is Workhorse's secret: its -secretPath must hold what {secret} holds. A clone that "
    "answers 502 is its -authBackend, which must be the address of this service. Without a Workhorse there is no Git over HTTP: let "
    "GITLAB_WORKHORSE_SECRET_FILE be empty then."
)
_UNNAMED = (
    "Let the proxy before GitLab Workhorse overwrite the header: `proxy_set_header X-Forwarded-For $remote_addr` (deploy/nginx.conf), "
    "and let TRUSTED_ADDRESSES name proxies alone. Until then wrong credentials ban nobody, and groups' lists of addresses refuse all."
)


def _workhorse(_: Consultation) -> Iterator[Finding]:
    path = secret_file_of(WORKHORSE)
    if path is None:
        yield well(NAME, "no file is named: Git over HTTP is off")
        return
    try:
        WORKHORSE.secret_from(path.read_text())
    except FileNotFoundError:
        yield problem(NAME, f"{path} is missing", _MAKE)
        return
    except (OSError, UnusableSecretError, UnicodeDecodeError) as error:
        yield problem(NAME, f"{path}: {error}", _MAKE)
        return
    if path.stat().st_mode & 0o004:
        yield warning(NAME, f"{path} can be read by everybody on this machine", f"chmod o-r {path}")
    else:
        yield well(NAME, str(path))
    yield from _calls(str(path))


def _calls(secret: str) -> Iterator[Finding]:
    """When a Workhorse has asked, from where one was refused, and whether its clients have addresses."""
    now, times = timezone.now(), dict(LastCall.objects.values_list("kind", "at"))
    seen = max((times[kind] for kind in (CallKind.GEO_PROXY, CallKind.GIT_OVER_HTTP) if kind in times), default=None)
    for peer in RefusedPeer.objects.filter(caller=WORKHORSE.issuer, last_at__gt=now - RECENT).order_by("-last_at")[:5]:
        text = f"{peer.number} tokens from {peer.address} were refused, the last {_age(now, peer.last_at)}: it holds another secret"
        advice = f"Let -secretPath of that GitLab Workhorse name a copy of {secret}, and restart it."
        is_over = seen is not None and seen > peer.last_at
        yield warning(CALLS, text, advice) if is_over else problem(CALLS, text, advice)
    if seen is None:
        yield warning(CALLS, "none has ever asked with this secret", _UNSEEN.format(secret=secret))
        return
    started, asked = times.get(CallKind.GEO_PROXY), times.get(CallKind.GIT_OVER_HTTP)
    told = [f"version {latest_version() or 'unknown'}"]
    told.append(f"started {_age(now, started)}" if started else "its start was not seen")
    told.append(f"a Git command {_age(now, asked)}" if asked else "no Git command yet")
    yield well(CALLS, ", ".join(told))
    yield from _addresses(now, asked, times.get(CallKind.GIT_WITHOUT_ADDRESS))


def _addresses(now: datetime, asked: datetime | None, unnamed: datetime | None) -> Iterator[Finding]:
    if unnamed is not None and unnamed > now - RECENT:
        text = f"a Git command came {_age(now, unnamed)} from an address of TRUSTED_ADDRESSES, as if a proxy were the client"
        yield warning(ADDRESSES, text, _UNNAMED)
    elif asked is not None:
        limit = settings.GIT_HTTP_FAILURES
        yield well(ADDRESSES, f"named; {limit} wrong credentials ban one" if limit else "named; wrong credentials ban nobody")


def _age(now: datetime, at: datetime) -> str:
    minutes = max((now - at).total_seconds() / 60, 0)
    return f"{minutes / 60:.1f} hours ago" if minutes >= 60 else f"{minutes:.0f} minutes ago"  # noqa: PLR2004  in an hour


def register() -> None:
    """Make the check known."""
    register_check("Git over HTTP", 15, _workhorse)
