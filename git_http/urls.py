"""Where Git over HTTP is answered: repositories at the root, as clone URLs have them, and Workhorse's own calls below /api/v4."""

from typing import Any

from django.urls import path

from git_http.lfs_api.views.batch import BatchViewSet, DeprecatedViewSet
from git_http.lfs_api.views.internal import InternalLFSViewSet
from git_http.lfs_api.views.locks import LocksViewSet, UnlockViewSet, VerifyLocksViewSet
from git_http.lfs_api.views.objects import AuthorizeUploadViewSet, ObjectViewSet
from git_http.views.geo import GeoProxyViewSet
from git_http.views.git import InfoRefsViewSet, PackViewSet, SSHPackViewSet, UnknownViewSet
from git_http.views.redirects import RedirectViewSet

_METHODS = ("get", "post", "put", "patch", "delete", "head", "options")


def _every(action: str) -> dict[str, Any]:
    return dict.fromkeys(_METHODS, action)


urlpatterns = [
    path("<path:path>.git/info/refs", InfoRefsViewSet.as_view({"get": "retrieve", "head": "head"}), name="info_refs"),
    path("<path:path>.git/git-upload-pack", PackViewSet.as_view({"post": "upload"}), name="git_upload_pack"),
    path("<path:path>.git/git-receive-pack", PackViewSet.as_view({"post": "receive"}), name="git_receive_pack"),
    path("<path:path>.git/ssh-upload-pack", SSHPackViewSet.as_view({"post": "upload"}), name="ssh_upload_pack"),
    path("<path:path>.git/ssh-receive-pack", SSHPackViewSet.as_view({"post": "receive"}), name="ssh_receive_pack"),
    path("<path:path>.git/info/lfs/objects/batch", BatchViewSet.as_view({"post": "create"}), name="lfs_batch"),
    path("<path:path>.git/info/lfs/objects", DeprecatedViewSet.as_view({"post": "refuse"}), name="lfs_deprecated"),
    path("<path:path>.git/info/lfs/objects/<path:oid>", DeprecatedViewSet.as_view({"get": "refuse"}), name="lfs_deprecated_object"),
    path("<path:path>.git/info/lfs/locks", LocksViewSet.as_view({"get": "list", "post": "create"}), name="lfs_locks"),
    path("<path:path>.git/info/lfs/locks/verify", VerifyLocksViewSet.as_view({"post": "create"}), name="lfs_verify_locks"),
    path("<path:path>.git/info/lfs/locks/<str:lock_id>/unlock", UnlockViewSet.as_view({"post": "create"}), name="lfs_unlock"),
    path("<path:path>.git/gitlab-lfs/objects/<str:oid>", ObjectViewSet.as_view({"get": "retrieve"}), name="lfs_object"),
    path("<path:path>.git/gitlab-lfs/objects/<str:oid>/<str:size>", ObjectViewSet.as_view({"put": "update"}), name="lfs_upload"),
    path(
        "<path:path>.git/gitlab-lfs/objects/<str:oid>/<str:size>/authorize",
        AuthorizeUploadViewSet.as_view({"put": "update"}),
        name="lfs_authorize_upload",
    ),
    path("<path:path>.git/<path:rest>", UnknownViewSet.as_view(_every("missing")), name="git_unknown"),
    path("<path:path>/info/refs", RedirectViewSet.as_view({"get": "retrieve", "head": "missing"}), name="info_refs_without_git"),
]
"""Mounted at the root."""

workhorse_urlpatterns = [
    path("geo/proxy", GeoProxyViewSet.as_view({"get": "retrieve"}), name="geo_proxy"),
]
"""Mounted under /api/v4."""

internal_urlpatterns = [path("lfs", InternalLFSViewSet.as_view({"get": "retrieve"}), name="internal_lfs")]
"""Mounted under /api/v4/internal."""
