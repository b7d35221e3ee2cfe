"""Every address the service answers, app by app."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from accounts.urls import urlpatterns as of_accounts
from git_http.urls import internal_urlpatterns as of_lfs
from git_http.urls import workhorse_urlpatterns as of_workhorse
from internal_api.urls import urlpatterns as of_the_kernel
from kubernetes_agent.urls import urlpatterns as of_agents
from repositories.urls import urlpatterns as of_repositories

urlpatterns: list[URLPattern | URLResolver] = [
    # One list: Django tries one address after the other, those that every clone and push asks first.
    path("api/v4/internal/", include([*of_repositories, *of_accounts, *of_agents, *of_lfs, *of_the_kernel])),
    path("api/v4/", include(of_workhorse)),
    path("api/v4/", include("storage_limits.urls")),
    path("v4/", include("storage_limits.urls")),
    path("api/scim/v2/", include("scim.urls")),
    path("", include("internal_api.health_urls")),
    path("", include("git_http.urls")),  # repositories are at the root; before the admin site, which answers whatever is below /admin
    path("admin/", admin.site.urls),
]

handler400 = "internal_api.exception_handler.bad_request"
handler403 = "internal_api.exception_handler.permission_denied"
handler404 = "internal_api.exception_handler.unknown_address"
handler500 = "internal_api.exception_handler.server_error"
