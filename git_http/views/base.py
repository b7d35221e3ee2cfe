"""What the views of Git over HTTP have in common: they know their callers by themselves, and refuse in text."""

from typing import Any

from rest_framework.permissions import BasePermission

from git_http.responses import TextResponse
from internal_api.errors import DomainError
from internal_api.permissions import Anyone
from internal_api.views.base import PlainViewSet


class GitViewSet(PlainViewSet):
    """Asked by Git through GitLab Workhorse.

    Credentials are judged before Workhorse's token, and anonymous callers once the facts are known: so neither is DRF's
    (contract: git-http 2.2).
    """

    authentication_classes: list[Any] = []
    permission_classes: list[type[BasePermission]] = [Anyone]
    response_class = TextResponse

    def error_body(self, error: DomainError) -> str:
        return error.message
