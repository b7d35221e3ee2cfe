"""What is asked about people and their keys; mounted under /api/v4/internal."""

from django.urls import path

from accounts.views.authorized_keys import AuthorizedKeysViewSet
from accounts.views.discover import DiscoverViewSet

urlpatterns = [
    path("authorized_keys", AuthorizedKeysViewSet.as_view({"get": "retrieve"}), name="authorized_keys"),
    path("discover", DiscoverViewSet.as_view({"get": "retrieve"}), name="discover"),
]
