"""What this SCIM service can do, told as it is (contract: scim 4.4 #74, #75, D28, D34). Pure."""

from collections.abc import Sequence
from typing import Any

from scim.profiles import LARGEST_PAGE

_URN = "urn:ietf:params:scim:schemas:core:2.0:"
USER, GROUP = _URN + "User", _URN + "Group"


def _attribute(name: str, description: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "string",
        "multiValued": False,
        "description": description,
        "required": False,
        "caseExact": False,
        "mutability": "immutable",
        "returned": "default",
        "uniqueness": "none",
        **fields,
    }


def _complex(name: str, description: str, parts: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    attribute = _attribute(name, description, type="complex", subAttributes=parts, **fields)
    del attribute["caseExact"]
    return attribute


def _boolean(name: str, description: str, **fields: Any) -> dict[str, Any]:
    attribute = _attribute(name, description, type="boolean", **fields)
    del attribute["caseExact"]
    return attribute


def _user_schema(*, with_groups: bool) -> dict[str, Any]:
    attributes = [
        _attribute("userName", "The username here, cleaned and made unique.", required=True, uniqueness="server"),
        _attribute("externalId", "The identity provider's id, which is the resource's id.", required=True),
        _complex(
            "name",
            "The person's name, taken when the account is made.",
            [
                _attribute("formatted", "The full name.", required=True),
                _attribute("givenName", "Its first word."),
                _attribute("familyName", "The rest."),
            ],
            required=True,
        ),
        _attribute("name.formatted", "The full name again, as GitLab's documents show it.", mutability="readOnly"),
        _attribute("displayName", "The full name once more, for clients that look for it here.", mutability="readOnly"),
        _boolean("active", "Whether the person is let in.", required=True, mutability="readWrite"),
        _complex(
            "emails",
            "The primary address, taken when the account is made.",
            [
                _attribute("value", "The address.", required=True),
                _attribute("type", "Its kind.", canonicalValues=["work"]),
                _boolean("primary", "Whether it is the primary one."),
            ],
            required=True,
            multiValued=True,
        ),
    ]
    if with_groups:
        parts = [
            _attribute("value", "The group's id.", mutability="readOnly"),
            _attribute("display", "Its name.", mutability="readOnly"),
            _attribute("type", "How the person belongs to it.", mutability="readOnly", canonicalValues=["direct"]),
        ]
        attributes.append(_complex("groups", "The groups the person is in.", parts, multiValued=True, mutability="readOnly"))
    return _schema(USER, "User", "A person who is provisioned.", attributes)


def _group_schema(names: Sequence[str]) -> dict[str, Any]:
    parts = [
        _attribute("value", "The person's id.", mutability="readOnly"),
        _attribute("display", "The person's name.", mutability="readOnly"),
        _attribute("type", "The kind of member.", mutability="readOnly", canonicalValues=["User"]),
    ]
    members = "The people in it. They are not written as a whole: PATCH adds and removes single ones, PUT gives the list."
    return _schema(
        GROUP,
        "Group",
        "A group of the identity provider that SAML group links name.",
        [
            _attribute("displayName", "The name of a SAML group link that there is.", required=True, canonicalValues=list(names)),
            _attribute("externalId", "Taken as the id when the group is made.", mutability="readOnly", returned="never"),
            _complex("members", members, parts, multiValued=True, mutability="readOnly"),
        ],
    )


def _schema(urn: str, name: str, description: str, attributes: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "schemas": [_URN + "Schema"],
        "id": urn,
        "name": name,
        "description": description,
        "attributes": attributes,
        "meta": {"resourceType": "Schema"},
    }


def schemas(*, is_instance: bool, group_names: Sequence[str]) -> list[dict[str, Any]]:
    """The schemas of everything that is served."""
    found = [_user_schema(with_groups=is_instance)]
    return [*found, _group_schema(group_names)] if group_names else found


def resource_types(*, with_groups: bool) -> list[dict[str, Any]]:
    """The kinds of resource; groups where there is a SAML group link."""
    kinds = [("User", "/Users", USER, "People who are provisioned.")]
    if with_groups:
        kinds.append(("Group", "/Groups", GROUP, "Groups of the identity provider."))
    return [
        {
            "schemas": [_URN + "ResourceType"],
            "id": name,
            "name": name,
            "endpoint": endpoint,
            "description": description,
            "schema": urn,
            "schemaExtensions": [],
            "meta": {"resourceType": "ResourceType"},
        }
        for name, endpoint, urn, description in kinds
    ]


def service_provider_config() -> dict[str, Any]:
    """What of SCIM is served."""
    scheme = {
        "type": "oauthbearertoken",
        "name": "Bearer token",
        "description": "The token that create_scim_token shows once.",
        "primary": True,
    }
    return {
        "schemas": [_URN + "ServiceProviderConfig"],
        "patch": {"supported": True},
        "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": LARGEST_PAGE},
        "changePassword": {"supported": False},
        "sort": {"supported": False},
        "etag": {"supported": False},
        "authenticationSchemes": [scheme],
        "meta": {"resourceType": "ServiceProviderConfig"},
    }
