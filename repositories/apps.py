"""Namespaces, projects, members and who may do what with Git."""

from django.apps import AppConfig


class RepositoriesConfig(AppConfig):
    """Namespaces, projects, members and who may do what with Git."""

    name = "repositories"
