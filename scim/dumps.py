"""Single sign-on and provisioning in a dumped seed file; tokens are left out, and made with create_scim_token."""

from collections.abc import Iterator
from typing import Any

from internal_api.seeding.dump import columns, register_key_dump, register_section_dump
from repositories.models import AccessLevel, Namespace
from scim.models import SamlProvider, Scope
from scim.selectors.identities import visible

_ROLES = {level.value: level.name.lower() for level in AccessLevel}


def _saml(group: Namespace) -> dict[str, Any] | None:
    provider = SamlProvider.objects.filter(group=group).first()
    if provider is None:
        return None
    return {**columns(provider, "enabled", "allowed_email_domains"), "default_membership_role": _ROLES[provider.default_role]}


def _links(group: Namespace) -> list[dict[str, Any]]:
    return [
        {"name": link.name, "access_level": _ROLES[link.access_level]} for link in group.saml_group_links.order_by("name", "access_level")
    ]


def _identities(scope: Scope | None) -> list[dict[str, Any]]:
    if scope is None:
        return []
    rows = visible(scope).select_related("user").order_by("pk")
    return [{"user": row.user.username, **columns(row, "extern_uid", "active")} for row in rows]


def _instance() -> Iterator[tuple[Any, dict[str, Any]]]:
    identities = _identities(Scope.objects.filter(group=None).first())
    if identities:
        yield None, {"identities": identities}


def register() -> None:
    """Make the section and the keys known."""
    register_key_dump("groups", "saml", _saml)
    register_key_dump("groups", "saml_group_links", _links)
    register_key_dump("groups", "scim_identities", lambda group: _identities(Scope.objects.filter(group=group).first()))
    register_section_dump("instance_scim", 50, _instance, many=False)
