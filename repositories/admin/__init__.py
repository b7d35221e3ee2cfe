"""Repositories' pages of the admin site."""

from repositories.admin import places, webhooks

__all__ = ["places", "webhooks"]
