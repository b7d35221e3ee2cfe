"""GET /api/v4/internal/lfs: Gitaly's `gitaly-lfs-smudge` fetches an object for an archive (contract: git-http 4.6, LD14; gitaly 1.2)."""

from django.http.response import HttpResponseBase
from rest_framework.request import Request

from git_http.lfs_api.downloads import object_response
from git_http.lfs_api.errors import LFSNotFoundError
from internal_api.errors import NotFoundError
from internal_api.views.base import ShellViewSet
from repositories.lfs.selectors import find_linked_object
from repositories.models.lfs import is_oid
from repositories.policy import RepositoryType
from repositories.policy.repository_path import parse_gl_repository


class InternalLFSViewSet(ShellViewSet):
    """The bytes of an LFS object that belongs to a project; wikis have no archives."""

    def retrieve(self, request: Request) -> HttpResponseBase:
        parameters = self.parameters()
        named, oid = parse_gl_repository(parameters.text("gl_repository") or ""), parameters.text("oid")
        if named is None or named.repository_type != RepositoryType.PROJECT or oid is None or not is_oid(oid):
            raise NotFoundError
        row = find_linked_object(named.project_id, oid)
        if row is None:
            raise NotFoundError
        try:
            return object_response(request._request, row, for_gitaly=True)  # noqa: SLF001  DRF's wrapper adds nothing here
        except LFSNotFoundError:
            raise NotFoundError from None
