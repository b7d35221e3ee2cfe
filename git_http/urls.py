"""Where Git over HTTP is answered: repositories at the root, as clone URLs have them, and Workhorse's own calls below /api/v4."""

from typing import Any

from django.urls import path

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
    path("<path:path>.git/<path:rest>", UnknownViewSet.as_view(_every("missing")), name="git_unknown"),
    path("<path:path>/info/refs", RedirectViewSet.as_view({"get": "retrieve", "head": "missing"}), name="info_refs_without_git"),
]
"""Mounted at the root."""

workhorse_urlpatterns = [
    path("geo/proxy", GeoProxyViewSet.as_view({"get": "retrieve"}), name="geo_proxy"),
]
"""Mounted under /api/v4."""
