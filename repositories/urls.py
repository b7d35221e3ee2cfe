"""What is asked about repositories; mounted under /api/v4/internal."""

from django.urls import path

from repositories.views.allowed import AllowedViewSet
from repositories.views.authorized_certs import AuthorizedCertsViewSet
from repositories.views.error_tracking import ErrorTrackingViewSet
from repositories.views.git_audit_event import GitAuditEventViewSet
from repositories.views.lfs import LFSAuthenticateViewSet, LFSTokenVerifyViewSet
from repositories.views.post_receive import PostReceiveViewSet
from repositories.views.pre_receive import PreReceiveViewSet

urlpatterns = [
    path("allowed", AllowedViewSet.as_view({"post": "create"}), name="allowed"),
    path("pre_receive", PreReceiveViewSet.as_view({"post": "create"}), name="pre_receive"),
    path("post_receive", PostReceiveViewSet.as_view({"post": "create"}), name="post_receive"),
    path("authorized_certs", AuthorizedCertsViewSet.as_view({"get": "retrieve"}), name="authorized_certs"),
    path("lfs_authenticate", LFSAuthenticateViewSet.as_view({"post": "create"}), name="lfs_authenticate"),
    path("lfs_token/verify", LFSTokenVerifyViewSet.as_view({"post": "create"}), name="lfs_token_verify"),
    path("shellhorse/git_audit_event", GitAuditEventViewSet.as_view({"post": "create"}), name="git_audit_event"),
    path("error_tracking/allowed", ErrorTrackingViewSet.as_view({"post": "create"}), name="error_tracking"),
]
