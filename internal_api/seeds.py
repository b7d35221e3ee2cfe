"""The `instance` section of a seed file."""

from typing import Any

from internal_api.digests import token_digest
from internal_api.models import InstanceSettings
from internal_api.models.instance_settings import BranchLevel, EmailConfirmation, GitProtocol, LFSIntegrityCheck
from internal_api.seeding import Entry, Report, Section, register_section
from internal_api.seeding.entries import Parser, any_text, boolean, choice, integer, listing, mapping, moment, optional, text, texts
from internal_api.seeding.rows import checked, update


def _banner(value: Any, path: str) -> Any:
    """A banner with its times as strings, since it is kept as JSON; everything else is checked by the model's field."""
    if not isinstance(value, dict):
        return value
    times = {name: moment(value[name], f"{path}.{name}").isoformat() for name in ("starts_at", "ends_at") if value.get(name) is not None}
    message = {"message": text(value["message"], f"{path}.message")} if "message" in value else {}
    return {**value, **times, **message}


def _broadcasts(value: Any, path: str) -> list[Any]:
    return [_banner(item, f"{path}[{index}]") for index, item in enumerate(listing(value, path))]


def _branch_level(value: Any, path: str) -> str:
    level: str = choice(BranchLevel.values)(value, path)
    return level


def _web_url(value: Any, path: str) -> str:
    """A URL as it is stored; null is none."""
    return any_text(value, path).rstrip("/")


def _checked(name: str, parser: Parser) -> Parser:
    return checked(InstanceSettings, name, parser)


FIELDS: dict[str, Parser] = {
    "enabled_git_access_protocol": choice(GitProtocol.values),
    "receive_max_input_size": _checked("receive_max_input_size", integer),
    "gitlab_shell_operation_limit": _checked("gitlab_shell_operation_limit", integer),
    "read_only": boolean,
    "read_only_message": any_text,
    "require_two_factor_for_git": boolean,
    "require_personal_access_token_expiry": boolean,
    "error_tracking_enabled": boolean,
    "enforce_terms": boolean,
    "default_branch_push": _branch_level,
    "default_branch_merge": _branch_level,
    "default_branch_name": _checked("default_branch_name", text),
    "email_confirmation": choice(EmailConfirmation.values),
    "log_git_audit_events": boolean,
    "allowed_key_types": _checked("allowed_key_types", texts),
    "minimum_key_bits": _checked("minimum_key_bits", mapping),
    "http_pull": boolean,
    "http_push": boolean,
    "lfs_enabled": boolean,
    "lfs_integrity_check": choice(LFSIntegrityCheck.values),
    "password_authentication_enabled_for_git": boolean,
    "feature_flags": _checked("feature_flags", mapping),
    "broadcasts": _checked("broadcasts", _broadcasts),
    "web_url": _checked("web_url", _web_url),
}


def load_instance(report: Report, entry: Entry) -> InstanceSettings:
    """Set the instance's settings that the entry names."""
    values = entry.fields(FIELDS)
    if "error_tracking_access_token" in entry:
        token = entry.read("error_tracking_access_token", optional(text))
        values["error_tracking_access_token_digest"] = token_digest(token) if token else ""
    row = InstanceSettings.stored()
    report.changed("instance", update(row, values))
    return row


def register() -> None:
    """Make the section known."""
    keys = {*FIELDS, "error_tracking_access_token"}
    register_section(Section("instance", order=0, keys=keys, load=load_instance, many=False))
