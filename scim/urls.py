"""Group and instance SCIM; mounted under /api/scim/v2.

SCIM is for top-level groups, whose path is one segment; an id may hold any character, slashes too, and may be `Users` or `.search`.
URLs below other groups fall through to the last patterns, which refuse them.
"""

from typing import Any

from django.urls import URLPattern, re_path

from scim.views.base import UnknownAddressViewSet
from scim.views.discovery import DiscoveryViewSet, UnservedViewSet
from scim.views.groups import GroupsViewSet
from scim.views.users import UsersViewSet

_ID = r"(?P<identifier>.+)"
_ANY: dict[str, Any] = dict.fromkeys(("get", "post", "put", "patch", "delete"), "refuse")
_ONE: dict[str, Any] = {"get": "retrieve", "put": "replace", "patch": "partial_update", "delete": "destroy"}


def _scope(base: str, name: str) -> list[URLPattern]:
    return [
        re_path(rf"^{base}/Users$", UsersViewSet.as_view({"get": "index", "post": "create"}), name=f"{name}_users"),
        re_path(rf"^{base}/\.search$", UsersViewSet.as_view({"post": "search"}), name=f"{name}_search"),
        re_path(
            rf"^{base}/Users/\.search$",
            UsersViewSet.as_view({"post": "search", **_ONE}),
            {"identifier": ".search"},  # a user may have that id, too
            name=f"{name}_user_search",
        ),
        re_path(rf"^{base}/Users/{_ID}$", UsersViewSet.as_view(_ONE), name=f"{name}_user"),
        re_path(rf"^{base}/ServiceProviderConfig$", DiscoveryViewSet.as_view({"get": "service_provider_config"}), name=f"{name}_config"),
        re_path(rf"^{base}/ResourceTypes$", DiscoveryViewSet.as_view({"get": "resource_types"}), name=f"{name}_resource_types"),
        re_path(rf"^{base}/ResourceTypes/{_ID}$", DiscoveryViewSet.as_view({"get": "resource_type"}), name=f"{name}_resource_type"),
        re_path(rf"^{base}/Schemas$", DiscoveryViewSet.as_view({"get": "list_schemas"}), name=f"{name}_schemas"),
        re_path(rf"^{base}/Schemas/{_ID}$", DiscoveryViewSet.as_view({"get": "show_schema"}), name=f"{name}_schema"),
        re_path(rf"^{base}/(?:Me|Bulk)$", UnservedViewSet.as_view(_ANY), name=f"{name}_unserved"),
    ]


urlpatterns = [
    *_scope("application", "instance"),
    re_path(r"^application/Groups$", GroupsViewSet.as_view({"get": "index", "post": "create"}), name="instance_groups"),
    re_path(r"^application/Groups/\.search$", GroupsViewSet.as_view({"post": "search"}), name="instance_group_search"),
    re_path(rf"^application/Groups/{_ID}$", GroupsViewSet.as_view(_ONE), name="instance_group"),
    re_path(r"^application/.*$", UnknownAddressViewSet.as_view(_ANY), name="instance_unknown"),
    *_scope("groups/(?P<group_path>[^/]+)", "group"),
    re_path(r"^groups/(?P<group_path>[^/]+)/Groups/.+$", UnknownAddressViewSet.as_view(_ANY), name="group_groups"),
    re_path(r"^groups/(?P<group_path>.+)/[^/]+$", UnknownAddressViewSet.as_view(_ANY), name="group_unknown"),
    re_path(r"^groups/(?P<group_path>[^/]+)$", UnknownAddressViewSet.as_view(_ANY), name="group_root"),
    re_path(r"^[\s\S]*$", UnknownAddressViewSet.as_view(_ANY), name="unknown"),
]
