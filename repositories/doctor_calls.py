"""What the doctor knows of GitLab Shell and Gitaly by what they call: neither can be asked to call."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from internal_api.client_programs import ClientProgram
from internal_api.doctor import Consultation, Finding, problem, warning, well
from internal_api.models import LastCall, RefusedPeer
from internal_api.models.last_call import CallKind
from repositories.models import PushEvent

GITALY, SHELL = "calls from Gitaly", "calls from GitLab Shell"
RECENT = timedelta(days=1)
LAG = timedelta(minutes=2)
"""Times are written down a minute late at most, by each process."""
_BY_GITALY = (CallKind.CHANGES_ALLOWED, CallKind.PRE_RECEIVE, CallKind.POST_RECEIVE, CallKind.CHECK_BY_GITALY)
_BY_SHELL = (CallKind.SHELL_ALLOWED, CallKind.PUSH_GRANTED, CallKind.CHECK_BY_SHELL)
_URL_ADVICE = (
    "In Gitaly's config.toml let `[gitlab] url` be the inner URL of this service (with https, let `[gitlab.http-settings] ca_file` "
    "name its authority) and restart Gitaly; `gitaly check CONFIG` there asks this service as its hooks do."
)
_UNASKED_ADVICE = (
    "Three causes are usual. The repository is missing at Gitaly: look with `doctor --repositories`. `[gitlab] secret_file` in Gitaly's "
    "config.toml is not readable there, or holds another secret. Gitaly calls another URL: " + _URL_ADVICE[0].lower() + _URL_ADVICE[1:]
)
Times = Mapping[str, datetime]


def check_calls(_: Consultation) -> Iterator[Finding]:
    """Check that both clients hold the secret, and that Gitaly asks about the pushes that GitLab Shell was granted."""
    now, times = timezone.now(), _times()
    secret = settings.GITLAB_SHELL_SECRET_FILE
    gitaly = f"In Gitaly's config.toml let `[gitlab] secret_file` name a file with what {secret} holds, and restart Gitaly."
    yield from _refused(GITALY, ClientProgram.GITALY, _latest(times, _BY_GITALY), now, gitaly)
    yield from _unasked(times, now)
    yield from _ages(GITALY, _BY_GITALY, times, now, _URL_ADVICE)
    shell = f"In GitLab Shell's config.yml let `secret_file` name a file with what {secret} holds, and restart gitlab-sshd."
    yield from _refused(SHELL, ClientProgram.SHELL, _latest(times, _BY_SHELL), now, shell)
    yield from _ages(SHELL, _BY_SHELL, times, now, "In GitLab Shell's config.yml let `gitlab_url` be the inner URL of this service.")


def _times() -> Times:
    """Return when each kind of call was last answered; a push that was recorded is a report too."""
    times = dict(LastCall.objects.values_list("kind", "at"))
    reported = PushEvent.objects.order_by("-pk").values_list("created_at", flat=True).first()
    if reported is not None:
        times[CallKind.POST_RECEIVE] = max(reported, times.get(CallKind.POST_RECEIVE, reported))
    return times


def _latest(times: Times, kinds: tuple[CallKind, ...]) -> datetime | None:
    return max((times[kind] for kind in kinds if kind in times), default=None)


def _age(now: datetime, at: datetime) -> str:
    minutes = max((now - at).total_seconds() / 60, 0)
    return f"{minutes / 60:.1f} hours ago" if minutes >= 60 else f"{minutes:.0f} minutes ago"  # noqa: PLR2004  in an hour


def _refused(name: str, client: ClientProgram, answered: datetime | None, now: datetime, advice: str) -> Iterator[Finding]:
    """Tokens of this program that another secret has signed; a warning only where others of its kind were answered since."""
    for peer in RefusedPeer.objects.filter(client=client, last_at__gt=now - RECENT).order_by("-last_at")[:5]:
        age = _age(now, peer.last_at)
        text = f"{peer.number} tokens of {client} from {peer.address} were refused, the last {age}: it holds another secret"
        is_over = answered is not None and answered > peer.last_at
        yield warning(name, text, advice) if is_over else problem(name, text, advice)


def _unasked(times: Times, now: datetime) -> Iterator[Finding]:
    """Pushes that GitLab Shell was granted and that no hook of Gitaly's has asked about."""
    granted, asked = times.get(CallKind.PUSH_GRANTED), _latest(times, _BY_GITALY)
    if granted is None:
        return
    if asked is None:
        text = f"pushes were granted, the last {_age(now, granted)}, and Gitaly has never asked about one"
        yield problem(GITALY, text, _UNASKED_ADVICE)
    elif granted - asked > LAG:
        text = f"a push was granted {_age(now, granted)}; Gitaly last asked {_age(now, asked)}, unless there was nothing to push"
        yield warning(GITALY, text, _UNASKED_ADVICE)


def _ages(name: str, kinds: tuple[CallKind, ...], times: Times, now: datetime, advice: str) -> Iterator[Finding]:
    """How long ago each kind of call was answered."""
    told = ", ".join(f"{kind.label} {_age(now, times[kind]) if kind in times else 'never'}" for kind in kinds)
    yield well(name, told) if any(kind in times for kind in kinds) else warning(name, "none was ever answered", advice)
