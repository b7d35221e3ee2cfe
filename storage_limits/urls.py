"""Storage limits; mounted under /api/v4 and, as the document prints it, /v4."""

from django.urls import path, re_path

from storage_limits.views.exclusions import LimitExclusionViewSet

urlpatterns = [
    path("namespaces/storage/limit_exclusions", LimitExclusionViewSet.as_view({"get": "index"})),
    re_path(
        r"^namespaces/(?P<namespace>.+)/storage/limit_exclusion$", LimitExclusionViewSet.as_view({"post": "create", "delete": "destroy"})
    ),
]
