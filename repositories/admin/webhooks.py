"""Whom pushes are told to, and what became of each delivery, for administrators. A token can be set and is never shown."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from internal_api.admin import ReadOnlyAdmin
from internal_api.outgoing import OutgoingError
from repositories.models import Webhook, WebhookDelivery
from repositories.models.webhook import validate_header_text
from repositories.services.webhook_deliveries import retry, switch_on
from repositories.services.webhook_requests import body_of, event_uuid, headers_of, trace_headers


class WebhookForm(forms.ModelForm):
    """A blank token leaves the one there is."""

    token = forms.CharField(
        required=False, widget=forms.PasswordInput, help_text="Sent along, and signs the body. Leave it blank to keep what there is."
    )
    remove_token = forms.BooleanField(required=False)

    class Meta:
        model = Webhook
        fields = ("project", "namespace", "instance", "url", "token", "push_events", "tag_push_events", "active")

    def clean_token(self) -> str | None:
        """Plain text, since it travels in a header."""
        token: str = self.cleaned_data["token"]
        if token:
            validate_header_text(token)
        return token or Webhook.objects.filter(pk=self.instance.pk).values_list("token", flat=True).first()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("remove_token"):
            cleaned["token"] = None
        return cleaned


@admin.register(Webhook)
class WebhookAdmin(admin.ModelAdmin):
    """Webhooks of projects, groups and the instance."""

    form = WebhookForm
    list_display = ("url", "place", "push_events", "tag_push_events", "active", "failures", "paused_until", "switched_off_reason")
    list_filter = ("active",)
    search_fields = ("url", "project__route__path", "namespace__route__path")
    list_select_related = ("project__route", "namespace__route")
    autocomplete_fields = ("project", "namespace")
    readonly_fields = ("failures", "paused_until", "switched_off_reason")
    ordering = ("-pk",)
    actions = ("switch_on",)

    @admin.display(description="of")
    def place(self, webhook: Webhook) -> str:
        """Whose pushes it is told of."""
        place = webhook.project or webhook.namespace
        return place.route.path if place else "the instance"

    def save_model(self, request: HttpRequest, obj: Webhook, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if obj.active:
            switch_on(obj)

    @admin.action(description="Switch the selected webhooks on again")
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> None:
        """With their failures forgotten, and what waits delivered."""
        for webhook in queryset:
            switch_on(webhook)
            self.log_change(request, webhook, "Switched on.")
        self.message_user(request, f"{len(queryset)} switched on.", messages.SUCCESS)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    """What was sent to whom, and what they answered."""

    list_display = ("created_at", "event", "ref", "webhook", "state", "attempts", "response_status", "duration_ms", "error")
    list_filter = ("state", "event")
    search_fields = ("ref", "correlation_id", "lane__webhook__url", "lane__project__route__path")
    list_select_related = ("lane__webhook",)
    ordering = ("-pk",)
    actions = ("deliver_again",)
    fields = (
        "webhook", "project", "event", "ref", "state", "attempts", "created_at", "attempted_at", "next_attempt_at", "duration_ms",
        "correlation_id", "request", "response_status", "answer", "error",
    )  # fmt: skip

    @admin.display(description="webhook")
    def webhook(self, delivery: WebhookDelivery) -> str:
        """The address."""
        return delivery.lane.webhook.url

    @admin.display(description="project")
    def project(self, delivery: WebhookDelivery) -> str:
        """What was pushed to."""
        return delivery.lane.project.route.path

    @admin.display(description="request")
    def request(self, delivery: WebhookDelivery) -> SafeString:
        """As it is sent, but for the token and the signature."""
        try:
            headers = headers_of(delivery.lane.webhook, delivery.event, b"", str(delivery.idempotency_key), event_uuid(delivery))
            headers |= trace_headers(delivery)
        except OutgoingError as error:
            return _pre({}, str(error))
        shown = {name: value for name, value in headers.items() if name not in {"X-Gitlab-Token", "X-Hub-Signature-256"}}
        return _pre(shown, json.dumps(json.loads(body_of(delivery.payload)), indent=2, ensure_ascii=False))

    @admin.display(description="response")
    def answer(self, delivery: WebhookDelivery) -> SafeString:
        """What came back at the last attempt."""
        return _pre(delivery.response_headers, delivery.response_body)

    def get_urls(self) -> list[URLPattern]:
        again = path("<int:delivery_id>/again/", self.admin_site.admin_view(self.again), name="repositories_webhookdelivery_again")
        return [again, *super().get_urls()]

    def again(self, request: HttpRequest, delivery_id: int) -> HttpResponse:
        """The button of a delivery's page."""
        delivery = get_object_or_404(WebhookDelivery, pk=delivery_id)
        if request.method == "POST":
            self._again(request, [delivery])
        return HttpResponseRedirect(reverse("admin:repositories_webhookdelivery_change", args=[delivery_id]))

    @admin.action(description="Deliver the selected again")
    def deliver_again(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> None:
        """Within a few seconds, if a worker is there and the webhook is on."""
        self._again(request, list(queryset))

    def _again(self, request: HttpRequest, deliveries: list[WebhookDelivery]) -> None:
        number = retry(deliveries)
        for delivery in deliveries:
            self.log_change(request, delivery, "Set to be delivered again.")
        self.message_user(request, f"{number} will be delivered again.", messages.SUCCESS)


def _pre(headers: dict[str, str], body: str) -> SafeString:
    text = "\n".join(f"{name}: {value}" for name, value in headers.items())
    return format_html('<pre class="exchange">{}\n\n{}</pre>', text, body)
