"""What is asked about people, their keys, tokens and second factors; mounted under /api/v4/internal."""

from django.urls import path

from accounts.views.authorized_keys import AuthorizedKeysViewSet
from accounts.views.discover import DiscoverViewSet
from accounts.views.personal_access_token import PersonalAccessTokenViewSet
from accounts.views.two_factor import ManualOTPCheckViewSet, PushOTPCheckViewSet, RecoveryCodesViewSet, TwoFactorConfigViewSet

urlpatterns = [
    path("authorized_keys", AuthorizedKeysViewSet.as_view({"get": "retrieve"}), name="authorized_keys"),
    path("discover", DiscoverViewSet.as_view({"get": "retrieve"}), name="discover"),
    path("personal_access_token", PersonalAccessTokenViewSet.as_view({"post": "create"}), name="personal_access_token"),
    path("two_factor_config", TwoFactorConfigViewSet.as_view({"post": "create"}), name="two_factor_config"),
    path("two_factor_manual_otp_check", ManualOTPCheckViewSet.as_view({"post": "create"}), name="two_factor_manual_otp_check"),
    path("two_factor_push_otp_check", PushOTPCheckViewSet.as_view({"post": "create"}), name="two_factor_push_otp_check"),
    path("two_factor_recovery_codes", RecoveryCodesViewSet.as_view({"post": "create"}), name="two_factor_recovery_codes"),
]
