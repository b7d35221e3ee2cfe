"""Namespaces, projects, members and who may do what with Git."""

from django.apps import AppConfig


class RepositoriesConfig(AppConfig):
    """Namespaces, projects, members and who may do what with Git."""

    name = "repositories"

    def ready(self) -> None:
        """Listen for new users, who get a namespace, and for projects that are deleted."""
        from repositories.lfs import objects  # noqa: F401, PLC0415  likewise
        from repositories.services import namespaces  # noqa: F401, PLC0415  models are not loaded before this
