"""When each kind of internal call was last answered."""

from typing import ClassVar

from django.db import models


class CallKind(models.TextChoices):
    """The calls whose age tells an administrator whether GitLab Shell, Gitaly and GitLab Workhorse reach this service."""

    SHELL_ALLOWED = "shell_allowed", "/allowed by GitLab Shell"
    PUSH_GRANTED = "push_granted", "/allowed by GitLab Shell for a push, granted"
    CHANGES_ALLOWED = "changes_allowed", "/allowed with changes by Gitaly"
    PRE_RECEIVE = "pre_receive", "/pre_receive"
    POST_RECEIVE = "post_receive", "/post_receive"
    CHECK_BY_SHELL = "check_by_shell", "/check by GitLab Shell"
    CHECK_BY_GITALY = "check_by_gitaly", "/check by Gitaly"
    GEO_PROXY = "geo_proxy", "/geo/proxy by GitLab Workhorse, at its start"
    GIT_OVER_HTTP = "git_over_http", "a Git command by GitLab Workhorse"
    GIT_WITHOUT_ADDRESS = "git_without_address", "a Git command by GitLab Workhorse for a client without an address of its own"


class LastCall(models.Model):
    """The time of the latest call of a kind, a minute late at most: at most one row for each kind."""

    kind = models.CharField(max_length=32, choices=CallKind, unique=True)
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=models.Q(kind__in=CallKind.values), name="last_call_kind_known")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.at}"
