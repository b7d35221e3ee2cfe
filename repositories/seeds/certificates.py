"""`ssh_certificates` of groups and `enterprise_group` of users in a seed file."""

from accounts.models import User
from internal_api.seeding import Entry, Report, register_key
from internal_api.seeding.entries import children, located, optional, text
from internal_api.seeding.rows import new_id
from repositories.models import GroupSSHCertificate, Namespace
from repositories.selectors.namespaces import find_group
from repositories.services.certificates import (
    add_certificate_authority,
    apply_ssh_key_rule,
    remove_certificate_authority,
    set_enterprise_group,
)

_CERTIFICATE = {"id", "title", "key"}


def load_certificates(report: Report, group: Namespace, entry: Entry, key: str) -> None:
    """Make or change the group's certificate authorities."""
    for child in children(entry.values[key], entry.at(key), _CERTIFICATE):
        with located(child.path):
            line = child.read("key", text)
            if child.is_absent:
                report.count("ssh_certificates", "removed" if remove_certificate_authority(group, line) else "unchanged")
                continue
            title = child.get("title", text, "")
            row, outcome = add_certificate_authority(group, key=line, title=title, rules=(report.former, None), **new_id(child))
            if child.values.get("id", row.pk) != row.pk:
                raise child.problem("id", f"the authority has the id {row.pk} already")
            report.count("ssh_certificates", outcome)


def load_enterprise_group(report: Report, user: User, entry: Entry, key: str) -> None:
    """Make the account belong to a top-level group, or to none."""
    path = entry.read(key, optional(text))
    group = find_group(path) if path else None
    if path and group is None:
        raise entry.problem(key, f"there is no group {path!r}")
    report.changed("users", set_enterprise_group(user, group))


def load_disable_ssh_keys(report: Report, group: Namespace, entry: Entry, key: str) -> None:
    """Bring the users in step; the group's own row has been written with its section."""
    report.changed("users", apply_ssh_key_rule(group) > 0)


def register() -> None:
    """Make the keys known."""
    register_key("groups", "ssh_certificates", 140, load_certificates, model=GroupSSHCertificate)
    register_key("users", "enterprise_group", 150, load_enterprise_group)
    register_key("groups", "disable_ssh_keys", 160, load_disable_ssh_keys)
