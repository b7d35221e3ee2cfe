"""Repositories' pages of the admin site."""

from repositories.admin import lfs, places, webhooks

__all__ = ["lfs", "places", "webhooks"]
