"""What is asked about repositories; mounted under /api/v4/internal."""

from django.urls import path

from repositories.views.allowed import AllowedViewSet
from repositories.views.post_receive import PostReceiveViewSet
from repositories.views.pre_receive import PreReceiveViewSet

urlpatterns = [
    path("pre_receive", PreReceiveViewSet.as_view({"post": "create"}), name="pre_receive"),
    path("post_receive", PostReceiveViewSet.as_view({"post": "create"}), name="post_receive"),
    path("allowed", AllowedViewSet.as_view({"post": "create"}), name="allowed"),
]
