"""Tell blocks that SCIM has set from the administrator's: those that an inactive identity of the instance explains."""

from typing import Any

from django.db import migrations


def name_scim(apps: Any, schema_editor: Any) -> None:
    """Make SCIM the blocker of blocked users whom the instance's identity provider has deprovisioned."""
    alias = schema_editor.connection.alias
    identities = apps.get_model("scim", "Identity").objects.using(alias)
    deprovisioned = identities.filter(scope__group=None, active=False).values("user")
    users = apps.get_model("accounts", "User").objects.using(alias)
    users.filter(state="blocked", pk__in=deprovisioned).update(blocked_by="scim")


def name_administrator(apps: Any, schema_editor: Any) -> None:
    """Undo the same."""
    users = apps.get_model("accounts", "User").objects.using(schema_editor.connection.alias)
    users.filter(blocked_by="scim").update(blocked_by="administrator")


class Migration(migrations.Migration):
    """Values only."""

    dependencies = [("accounts", "0003_who_blocked_an_account"), ("scim", "0001_initial")]

    operations = [migrations.RunPython(name_scim, name_administrator)]
