"""What is asked about repositories; mounted under /api/v4/internal."""

from django.urls import path

from repositories.views.allowed import AllowedViewSet

urlpatterns = [
    path("allowed", AllowedViewSet.as_view({"post": "create"}), name="allowed"),
]
