"""Single sign-on and provisioning in a dumped seed file; tokens are left out, and made with create_scim_token."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import QuerySet

from internal_api.seeding.dump import SectionDump, columns, grouped, in_batches, register_key_dump, register_section_dump
from repositories.models import AccessLevel, Namespace
from scim.models import Identity, SamlGroupLink, SamlProvider

_ROLES = {level.value: level.name.lower() for level in AccessLevel}


def _saml(groups: Sequence[Namespace]) -> dict[int, dict[str, Any]]:
    return {
        provider.group_id: {
            **columns(provider, "enabled", "allowed_email_domains"),
            "default_membership_role": _ROLES[provider.default_role],
        }
        for provider in SamlProvider.objects.filter(group__in=groups)
    }


def _links(groups: Sequence[Namespace]) -> dict[int, list[dict[str, Any]]]:
    links = SamlGroupLink.objects.filter(group__in=groups).order_by("name", "access_level")
    return grouped((link.group_id, {"name": link.name, "access_level": _ROLES[link.access_level]}) for link in links)


def _identity(row: Identity) -> dict[str, Any]:
    return {"user": row.user.username, **columns(row, "extern_uid", "active")}


def _visible() -> QuerySet[Identity]:
    return Identity.objects.filter(deleted_at__isnull=True).select_related("user", "scope")


def _identities_of_groups(groups: Sequence[Namespace]) -> dict[int, list[dict[str, Any]]]:
    rows = _visible().filter(scope__group__in=groups).order_by("pk")
    return grouped((row.scope.group_id, _identity(row)) for row in rows)


def _of_instance() -> QuerySet[Identity]:
    return _visible().filter(scope__group__isnull=True)


def _instance() -> Iterator[list[tuple[Any, dict[str, Any]]]]:
    for batch in in_batches(_of_instance()):
        yield [(row, _identity(row)) for row in batch]


def register() -> None:
    """Make the section and the keys known."""
    register_key_dump("groups", "saml", _saml)
    register_key_dump("groups", "saml_group_links", _links)
    register_key_dump("groups", "scim_identities", _identities_of_groups)
    register_section_dump(SectionDump("instance_scim.identities", 50, _instance, lambda: _of_instance().count()))
