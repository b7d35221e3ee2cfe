"""Git over HTTP behind GitLab Workhorse."""

from django.apps import AppConfig


class GitHTTPConfig(AppConfig):
    """Git over HTTP behind GitLab Workhorse."""

    name = "git_http"
