"""Signing in to the admin site: a password, the second factor of who has one, and the lock after too many failures (decisions 14d)."""

from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import User
from accounts.services.second_factor import consume_otp, consume_recovery_code, is_locked, record_failure, record_success

# One sentence for everything that may be wrong: it tells a stranger neither who exists nor what was right.
REFUSAL = "This username, password or code is not right, or the account is locked for a while."


class AdminSignInForm(AdminAuthenticationForm):
    """Username, password and code in one step; the code is a one-time password, or a recovery code, which works once."""

    code = forms.CharField(
        label="One-time password or recovery code",
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "text"}),
        help_text="Only for those who have a second factor.",
    )
    error_messages = {**AdminAuthenticationForm.error_messages, "invalid_login": REFUSAL, "inactive": REFUSAL}

    def clean(self) -> dict[str, Any]:
        """Raise ValidationError unless all of it is right; failures count, for this and for commands over SSH."""
        username = str(self.cleaned_data.get("username") or "")
        user: User | None = User.matching_username(username).first() if "\x00" not in username else None
        if user is not None and is_locked(user):
            raise ValidationError(REFUSAL, code="invalid_login")
        try:
            values = super().clean()
        except ValidationError:
            self._failed(user, "password")
            raise
        if user is not None and not self._second_factor_is_right(user):
            raise ValidationError(REFUSAL, code="invalid_login")
        return values

    def _second_factor_is_right(self, user: User) -> bool:
        code = str(self.cleaned_data.get("code") or "").strip()
        with transaction.atomic():
            locked: User = User.objects.select_for_update().get(pk=user.pk)
            is_right = not locked.two_factor_enabled or consume_otp(locked, code) or consume_recovery_code(locked, code.lower())
            if is_right and not is_locked(locked):
                record_success(locked)
                return True
        self._failed(user, "OTP")
        return False

    def _failed(self, user: User | None, method: str) -> None:
        if user is None:
            return
        address = str(self.request.META.get("REMOTE_ADDR", "")) if self.request else ""
        with transaction.atomic():
            record_failure(User.objects.select_for_update().get(pk=user.pk), method=method, ip_address=address)
