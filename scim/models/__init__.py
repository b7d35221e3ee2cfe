"""Who is provisioned from where."""

from scim.models.groups import GroupMembership, SamlGroupLink
from scim.models.identities import Identity, Scope
from scim.models.saml import SamlIdentity, SamlProvider
from scim.models.tokens import SCIMToken

__all__ = ["GroupMembership", "Identity", "SCIMToken", "SamlGroupLink", "SamlIdentity", "SamlProvider", "Scope"]
