"""POST /two_factor_recovery_codes, /two_factor_config, /two_factor_manual_otp_check and /two_factor_push_otp_check."""

from rest_framework.request import Request

from accounts.errors import CommandRefusedError
from accounts.models import User
from accounts.selectors.acting_accounts import ActingAccount
from accounts.services.second_factor import check_otp, generate_recovery_codes
from accounts.views.commands import CommandViewSet
from internal_api.feature_flags import is_enabled
from internal_api.models import InstanceSettings
from internal_api.peers import peer_of
from internal_api.responses import JSONResponse

_FLAG = "two_factor_for_cli"
_NOT_ENABLED = "Two-factor authentication is not enabled for this user"


def two_factor_is_on_the_command_line() -> bool:
    """Whether the instance lets people show their second factor over SSH; it does, unless the flag is off."""
    return is_enabled(InstanceSettings.current().feature_flags, _FLAG)


def enrolled(account: ActingAccount, user: User, deploy_key_refusal: str) -> User:
    """The user, who has a second factor. Raises CommandRefusedError."""
    if account.is_deploy_key:
        raise CommandRefusedError(deploy_key_refusal)
    if not user.two_factor_enabled:
        raise CommandRefusedError(_NOT_ENABLED)
    return user


class RecoveryCodesViewSet(CommandViewSet):
    """POST /api/v4/internal/two_factor_recovery_codes: ten new codes in place of the old ones (contract: shell-endpoints 7)."""

    def create(self, request: Request) -> JSONResponse:
        parameters = self.parameters()
        account = self.acting_account(parameters)
        user = account.person(user_id_given="user_id" in parameters)
        enrolled(account, user, "Deploy keys cannot be used to retrieve recovery codes")
        return JSONResponse({"success": True, "recovery_codes": generate_recovery_codes(user)})


class TwoFactorConfigViewSet(CommandViewSet):
    """POST /api/v4/internal/two_factor_config: whether somebody has a second factor (contract: shell-endpoints 8)."""

    def create(self, request: Request) -> JSONResponse:
        if not two_factor_is_on_the_command_line():
            return JSONResponse({"success": False})
        account = self.acting_account(self.parameters())
        user = account.person()
        return JSONResponse({"success": True, "two_factor_required": not account.is_deploy_key and user.two_factor_enabled})


class ManualOTPCheckViewSet(CommandViewSet):
    """POST /api/v4/internal/two_factor_manual_otp_check: a code that somebody has typed (contract: shell-endpoints 9)."""

    def create(self, request: Request) -> JSONResponse:
        if not two_factor_is_on_the_command_line():
            raise CommandRefusedError("Feature flag is disabled")
        parameters = self.parameters()
        account = self.acting_account(parameters)
        user = enrolled(account, account.person(), "Deploy keys cannot be used for Two Factor")
        check_otp(user, account.key_id, parameters.text("otp_attempt"), ip_address=peer_of(request.META))
        return JSONResponse({"success": True})


class PushOTPCheckViewSet(CommandViewSet):
    """POST /api/v4/internal/two_factor_push_otp_check: no push service is connected, so nobody is ever let in (contract: decisions 15)."""

    def create(self, request: Request) -> JSONResponse:
        raise CommandRefusedError("Feature is not available")
