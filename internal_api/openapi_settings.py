"""What drf-spectacular needs to know about the service as a whole; read by settings/base.py."""

from typing import Any


def _header(name: str, text: str) -> dict[str, str]:
    return {"type": "apiKey", "in": "header", "name": name, "description": text}


SPECTACULAR: dict[str, Any] = {
    "TITLE": "Git hosting control plane",
    "DESCRIPTION": (
        "GitLab's internal API, asked by GitLab Shell, Gitaly, kas and identity providers. Parameters may come in the query, "
        "as JSON or as a form; "
        "a slash at the end of an address makes no difference."
    ),
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "",
    "PREPROCESSING_HOOKS": ["internal_api.openapi.tidy_endpoints"],
    "POSTPROCESSING_HOOKS": [],
    "AUTHENTICATION_WHITELIST": [],
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "shell": _header(
                "Gitlab-Shell-Api-Request", "A JWT signed with the secret shared with GitLab Shell (HS256, `iss` gitlab-shell)."
            ),
            "kas": _header(
                "Gitlab-Kas-Api-Request", "A JWT signed with the secret shared with kas (HS256, `iss` gitlab-kas, `aud` gitlab)."
            ),
            "workhorse": _header(
                "Gitlab-Workhorse-Api-Request",
                "A JWT signed with the secret shared with GitLab Workhorse (HS256, `iss` gitlab-workhorse).",
            ),
            "agent": _header("Gitlab-Agent-Api-Request", "The agent's own token, beside the JWT of kas."),
            "personal": _header("Private-Token", "An administrator's personal access token."),
            "scim": {"type": "http", "scheme": "bearer", "description": "A SCIM token of the group or of the instance."},
        },
        "schemas": {
            "Error": {
                "type": "object",
                "description": "`message` is a sentence for people; `error` is what is wrong with declared parameters.",
                "properties": {
                    "message": {
                        "anyOf": [
                            {"type": "string"},
                            {
                                "type": "object",
                                "description": "What is wrong, by parameter.",
                                "additionalProperties": {"type": "array", "items": {"type": "string"}},
                            },
                        ]
                    },
                    "error": {"type": "string"},
                    "error_description": {"type": "string"},
                    "scope": {"type": "string"},
                    "status": {"type": "boolean"},
                },
                "anyOf": [{"required": ["message"]}, {"required": ["error"]}],
                "additionalProperties": False,
            },
            "SCIMError": {
                "type": "object",
                "properties": {
                    "schemas": {"type": "array", "items": {"type": "string"}},
                    "detail": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "status": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                    "scimType": {"type": "string"},
                    "message": {"type": "string"},
                    "error": {"type": "string"},
                },
                "required": ["schemas", "status"],
            },
        },
    },
}
