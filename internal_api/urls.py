"""What the kernel answers itself; mounted under /api/v4/internal."""

from django.urls import path

from internal_api.views.check import CheckViewSet

urlpatterns = [
    path("check", CheckViewSet.as_view({"get": "retrieve"}), name="check"),
]
