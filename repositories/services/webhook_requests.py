"""The requests that webhooks are sent: body, signature and headers, as GitLab's receivers expect them."""

import hashlib
import hmac
import json
import uuid
from typing import TYPE_CHECKING

from django.conf import settings

from internal_api import outgoing, stored_values, tracing
from repositories.models import Webhook, WebhookDelivery

if TYPE_CHECKING:
    from repositories.webhook_payloads import Message  # made by others; the admin site needs none

_HOOKS = {
    "push": "Push Hook",
    "tag_push": "Tag Push Hook",
    "repository_update": "Repository Update Hook",
}
_NOT_KEPT = frozenset({"set-cookie", "set-cookie2"})


def send(delivery: WebhookDelivery) -> str:
    """Send a delivery, and keep the answer but for what it repeats of the token.

    Returns what is wrong with the answer, empty for nothing. Raises OutgoingError.
    """
    hook = delivery.lane.webhook
    stored_values.is_readable(hook, "url")  # reported; a URL that cannot be called fails below
    body = body_of(delivery.payload)
    key = str(delivery.idempotency_key)
    headers = headers_of(hook, delivery.event, body, key, event_uuid(delivery)) | trace_headers(delivery)
    reply = _post(hook.url, body, headers)
    delivery.response_status, delivery.duration_ms = reply.status, reply.duration_ms
    delivery.response_body = _masked(reply.body, hook.token)
    delivery.response_headers = {
        _masked(name, hook.token): _masked(value, hook.token) for name, value in reply.headers.items() if name.lower() not in _NOT_KEPT
    }
    return "" if is_success(reply.status) else f"The receiver answered {reply.status}."


def send_sample(url: str, token: str | None, message: "Message") -> outgoing.Reply:
    """Try a receiver out; nothing is stored. Raises OutgoingError."""
    body = body_of(message.body)
    hook = Webhook(pk=0, url=url, token=token, project_id=0)
    headers = headers_of(hook, message.event, body, str(uuid.uuid4()), str(uuid.uuid4()))
    return _post(url, body, headers)


def _post(url: str, body: bytes, headers: dict[str, str]) -> outgoing.Reply:
    allowed, seconds = settings.WEBHOOK_ALLOWED_TARGETS, settings.WEBHOOK_TIMEOUT
    return outgoing.post(url, body, headers, allowed=allowed, seconds=seconds)


def body_of(payload: dict[str, object]) -> bytes:
    """What is sent, byte for byte, and signed."""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def headers_of(hook: Webhook, event: str, body: bytes, idempotency_key: str, event_id: str) -> dict[str, str]:
    """GitLab's headers, and the body's HMAC-SHA256 under the token.

    The signature is in the header that receivers' libraries check by themselves. Raises
    OutgoingError for a stored token that cannot be decrypted: nothing is sent unsigned that should
    be signed.
    """
    if not stored_values.is_readable(hook, "token"):
        raise outgoing.OutgoingError("The webhook's token cannot be decrypted. Set it again.")
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"GitLab/{settings.GITLAB_VERSION}",
        "Idempotency-Key": idempotency_key,
        "X-Gitlab-Event": "System Hook" if hook.instance else _HOOKS[event],
        "X-Gitlab-Event-UUID": event_id,
        "X-Gitlab-Webhook-UUID": _named_uuid(f"webhooks/{hook.pk}"),
        "X-Gitlab-Instance": settings.EXTERNAL_URL,
    }
    if hook.token:
        signature = hmac.new(hook.token.encode(), body, hashlib.sha256).hexdigest()
        headers |= {"X-Gitlab-Token": hook.token, "X-Hub-Signature-256": f"sha256={signature}"}
    return headers


def event_uuid(delivery: WebhookDelivery) -> str:
    """One for an event, whichever webhook is told of it and how often."""
    return _named_uuid(f"push_events/{delivery.push_event_id}/{delivery.event}/{delivery.ref}")


def _named_uuid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{settings.EXTERNAL_URL}/{name}"))


def trace_headers(delivery: WebhookDelivery) -> dict[str, str]:
    """The id of the request that pushed, and the trace, by which a receiver's log is joined to ours."""
    trace = tracing.traceparent() or delivery.traceparent
    headers = {"X-Request-Id": delivery.correlation_id, tracing.TRACEPARENT: trace}
    return {name: value for name, value in headers.items() if value}


def is_success(status: int) -> bool:
    """Whether a receiver has taken a delivery; a redirect, which is not followed, is none."""
    return 200 <= status < 300  # noqa: PLR2004  HTTP's own numbers


def _masked(text: str, secret: str | None) -> str:
    return text.replace(secret, "[token]") if secret else text
