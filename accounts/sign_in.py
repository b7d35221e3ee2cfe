"""Signing in to the admin site: a password, the second factor of who has one, and the lock after too many failures (decisions 14d)."""

from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import User
from accounts.services.second_factor import consume_otp, consume_recovery_code
from accounts.services.sign_in_lock import (
    SignInsAreBusyError,
    limit_sign_ins,
    one_hash_at_a_time,
    record_failed_sign_in,
    record_sign_in,
    sign_in_is_locked,
)
from internal_api.errors import TooManyRequestsError
from internal_api.peers import peer_of

# One sentence for everything that may be wrong: it tells a stranger neither who exists nor what was right.
REFUSAL = "This username, password or code is not right, or the account is locked for a while."
TOO_MANY = "Too many sign-ins at the moment. Wait a minute and try again."


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

    @property
    def _address(self) -> str:
        return peer_of(self.request.META) if self.request else ""

    def clean(self) -> dict[str, Any]:
        """Raise ValidationError unless all of it is right.

        The password is hashed whoever is named, so that every failure takes the same time: a lock is
        looked at afterwards, and Django hashes for unknown names and unusable passwords too.
        """
        try:
            limit_sign_ins(self._address)
            with one_hash_at_a_time():
                values, refusal = self._password_checked()
        except (TooManyRequestsError, SignInsAreBusyError):
            raise ValidationError(TOO_MANY, code="too_many") from None
        username = str(self.cleaned_data.get("username") or "")
        user: User | None = User.matching_username(username).first() if "\x00" not in username else None
        if user is not None and sign_in_is_locked(user):
            raise ValidationError(REFUSAL, code="invalid_login")
        if refusal is None and self.get_user() is None:
            return values  # no password was given: a field is refused, nothing was guessed, and nothing is forgiven
        if refusal is not None:
            if user is not None:
                record_failed_sign_in(user, method="password", ip_address=self._address)
            raise refusal
        if user is not None and not self._second_factor_is_right(user):
            record_failed_sign_in(user, method="OTP", ip_address=self._address)
            raise ValidationError(REFUSAL, code="invalid_login")
        return values

    def _password_checked(self) -> tuple[dict[str, Any], ValidationError | None]:
        try:
            return super().clean(), None
        except ValidationError as refusal:
            return {}, refusal

    def _second_factor_is_right(self, user: User) -> bool:
        code = str(self.cleaned_data.get("code") or "").strip()
        with transaction.atomic():
            locked: User = User.objects.select_for_update().get(pk=user.pk)
            is_right = not locked.two_factor_enabled or consume_otp(locked, code) or consume_recovery_code(locked, code.lower())
            if is_right and not sign_in_is_locked(locked):
                record_sign_in(locked)
                return True
        return False
