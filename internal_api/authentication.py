"""How callers that are programs of the installation prove who they are."""

import logging
from typing import ClassVar

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from internal_api.client_programs import program_of
from internal_api.errors import ForbiddenError, UnauthorizedError
from internal_api.logs import HasMeta, note
from internal_api.metrics import refused_tokens
from internal_api.peers import peer_of
from internal_api.refused_peers import refused_peers
from internal_api.service_secrets import service_secrets
from internal_api.service_tokens import (
    KAS,
    SHELL,
    WORKHORSE,
    InvalidServiceTokenError,
    Service,
    ServiceCaller,
)

logger = logging.getLogger(__name__)


def check_service_token(request: HasMeta, service: Service, header: str) -> ServiceCaller:
    """Return the program that signed the token in a header, and note it on the request.

    Raises InvalidServiceTokenError, after the refusal was counted.
    """
    note(request, caller=service.issuer)
    try:
        return service.verify(request.META.get(header, ""), service_secrets(service))
    except InvalidServiceTokenError as error:
        note(request, refused=True)
        refused_tokens.labels(service.issuer).inc()
        refused_peers.count(peer_of(request.META), service.issuer, program_of(request.META))
        logger.info("A token of %s was refused: %s", service.issuer, error)
        raise


class ServiceJWTAuthentication(BaseAuthentication):
    """A signed token in a header of its own. Without a good one nothing else of the request is looked at."""

    header: ClassVar[str]
    service: ClassVar[Service]
    refusal: ClassVar[str] = UnauthorizedError.message

    def authenticate(self, request: Request) -> tuple[None, ServiceCaller]:
        try:
            return None, check_service_token(request, self.service, self.header)
        except InvalidServiceTokenError:
            raise UnauthorizedError(self.refusal) from None

    def authenticate_header(self, request: Request) -> str:
        """Tells DRF that a refusal here is a 401; without it DRF would say 403."""
        return self.service.issuer


class ShellAuthentication(ServiceJWTAuthentication):
    """GitLab Shell and Gitaly (contract: allowed 1.2)."""

    header = "HTTP_GITLAB_SHELL_API_REQUEST"
    service = SHELL


class KasAuthentication(ServiceJWTAuthentication):
    """The Kubernetes agent server (contract: kubernetes-agent 1.1)."""

    header = "HTTP_GITLAB_KAS_API_REQUEST"
    service = KAS
    refusal = "KAS JWT authentication invalid"


WORKHORSE_TOKEN = "HTTP_GITLAB_WORKHORSE_API_REQUEST"  # noqa: S105  a header's name
WORKHORSE_VERSION = "HTTP_GITLAB_WORKHORSE"
NOT_BY_WORKHORSE = "403 Forbidden - Request should be executed via GitLab Workhorse"


class WorkhorseAuthentication(BaseAuthentication):
    """GitLab Workhorse below `/api/v4`, where a bad token is 403 (contract: git-http 1.2)."""

    def authenticate(self, request: Request) -> tuple[None, ServiceCaller]:
        try:
            caller = check_service_token(request, WORKHORSE, WORKHORSE_TOKEN)
        except InvalidServiceTokenError:
            raise ForbiddenError from None
        if WORKHORSE_VERSION not in request.META:
            raise ForbiddenError(NOT_BY_WORKHORSE)
        return None, caller


class ShellOrWorkhorseAuthentication(BaseAuthentication):
    """Either program, by the header that is there: GitLab Shell's comes first (contract: decisions 13)."""

    def authenticate(self, request: Request) -> tuple[None, ServiceCaller]:
        is_workhorse = WORKHORSE_TOKEN in request.META and ShellAuthentication.header not in request.META
        service, header = (WORKHORSE, WORKHORSE_TOKEN) if is_workhorse else (SHELL, ShellAuthentication.header)
        try:
            return None, check_service_token(request, service, header)
        except InvalidServiceTokenError:
            raise UnauthorizedError from None

    def authenticate_header(self, request: Request) -> str:
        """Tells DRF that a refusal here is a 401."""
        return SHELL.issuer
