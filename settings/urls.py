"""Every address the service answers, app by app."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v4/internal/", include("repositories.urls")),
    path("api/v4/internal/", include("accounts.urls")),
    path("api/v4/internal/", include("kubernetes_agent.urls")),
    path("api/v4/internal/", include("internal_api.urls")),
    path("api/v4/", include("storage_limits.urls")),
    path("v4/", include("storage_limits.urls")),
    path("api/scim/v2/", include("scim.urls")),
    path("", include("internal_api.health_urls")),
    path("admin/", admin.site.urls),
]

handler400 = "internal_api.exception_handler.bad_request"
handler403 = "internal_api.exception_handler.permission_denied"
handler404 = "internal_api.exception_handler.unknown_address"
handler500 = "internal_api.exception_handler.server_error"
