"""The `instance` section of a seed file."""

from typing import Any

from django.core.exceptions import ValidationError

from internal_api.digests import token_digest
from internal_api.models import InstanceSettings
from internal_api.models.instance_settings import BranchLevel, EmailConfirmation, GitProtocol, validate_web_url
from internal_api.seeding import Entry, Report, Section, SeedError, register_section
from internal_api.seeding.entries import Parser, any_text, boolean, choice, integer, listing, mapping, moment, optional, text, texts
from internal_api.seeding.rows import update


def _bits(value: Any, path: str) -> dict[str, int]:
    return {name: integer(bits, f"{path}.{name}") for name, bits in mapping(value, path).items()}


_BROADCAST: dict[str, Parser] = {
    "message": text,
    "target_path": any_text,
    "roles": texts,
    "show_in_cli": boolean,
    "starts_at": optional(moment),
    "ends_at": optional(moment),
}


def _broadcasts(value: Any, path: str) -> list[dict[str, Any]]:
    """Banners; times are kept as texts, since the list is kept as JSON."""
    found = []
    for index, item in enumerate(listing(value, path)):
        entry = Entry(item, f"{path}[{index}]", _BROADCAST)
        entry.read("message", text)
        fields = entry.fields(_BROADCAST)
        found.append({name: field.isoformat() if hasattr(field, "isoformat") else field for name, field in fields.items()})
    return found


def _flags(value: Any, path: str) -> dict[str, Any]:
    flags = mapping(value, path)
    for name, flag in flags.items():
        if isinstance(flag, bool):
            continue
        entry = Entry(flag, f"{path}.{name}", {"projects", "groups", "users"})
        entry.fields({"projects": texts, "groups": texts, "users": texts})
    return flags


def _branch_level(value: Any, path: str) -> str:
    level: str = choice(BranchLevel.values)(value, path)
    return level


def _web_url(value: Any, path: str) -> str:
    """A URL as it is stored; null is none."""
    url = any_text(value, path).rstrip("/")
    try:
        if url:
            validate_web_url(url)
    except ValidationError as error:
        raise SeedError(path, error.messages[0]) from error
    return url


FIELDS: dict[str, Parser] = {
    "enabled_git_access_protocol": choice(GitProtocol.values),
    "receive_max_input_size": integer,
    "gitlab_shell_operation_limit": integer,
    "read_only": boolean,
    "read_only_message": any_text,
    "require_two_factor_for_git": boolean,
    "require_personal_access_token_expiry": boolean,
    "error_tracking_enabled": boolean,
    "enforce_terms": boolean,
    "default_branch_push": _branch_level,
    "default_branch_merge": _branch_level,
    "default_branch_name": text,
    "email_confirmation": choice(EmailConfirmation.values),
    "log_git_audit_events": boolean,
    "allowed_key_types": texts,
    "minimum_key_bits": _bits,
    "http_pull": boolean,
    "http_push": boolean,
    "feature_flags": _flags,
    "broadcasts": _broadcasts,
    "web_url": _web_url,
}


def load_instance(report: Report, entry: Entry) -> InstanceSettings:
    """Set the instance's settings that the entry names."""
    values = entry.fields(FIELDS)
    if "error_tracking_access_token" in entry:
        token = entry.read("error_tracking_access_token", optional(text))
        values["error_tracking_access_token_digest"] = token_digest(token) if token else ""
    row = InstanceSettings.current()
    for name in ("receive_max_input_size", "gitlab_shell_operation_limit"):
        if values.get(name, 0) > 2**31 - 1:
            raise SeedError(entry.at(name), "is too large")
    report.changed("instance", update(row, values))
    return row


def register() -> None:
    """Make the section known."""
    keys = {*FIELDS, "error_tracking_access_token"}
    register_section(Section("instance", order=0, keys=keys, load=load_instance, many=False))
