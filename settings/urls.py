"""Every address the service answers, app by app."""

from django.urls import path

urlpatterns: list = []
