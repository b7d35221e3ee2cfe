"""Remember who blocked an account; a block from before is the administrator's, or LDAP's where the state says so."""

from typing import Any

from django.db import migrations, models


def name_blockers(apps: Any, schema_editor: Any) -> None:
    """Name a blocker for every account that is blocked. SCIM's own blocks are told apart by a migration of `scim`."""
    users = apps.get_model("accounts", "User").objects.using(schema_editor.connection.alias)
    users.filter(state__in=["blocked", "banned"]).update(blocked_by="administrator")
    users.filter(state="ldap_blocked").update(blocked_by="ldap")


class Migration(migrations.Migration):
    """A column, its values, and the constraint that ties it to the state."""

    dependencies = [("accounts", "0002_deploy_keys_outlive_their_owner")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="blocked_by",
            field=models.CharField(
                blank=True,
                choices=[("administrator", "Administrator"), ("scim", "SCIM"), ("ldap", "LDAP")],
                default="",
                help_text="Who set the block. SCIM lifts its own blocks only.",
                max_length=16,
            ),
        ),
        migrations.RunPython(name_blockers, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("blocked_by", ""),
                    models.Q(
                        ("blocked_by__in", ["administrator", "scim", "ldap"]),
                        ("state__in", ["banned", "blocked", "ldap_blocked"]),
                    ),
                    _connector="OR",
                ),
                name="user_blocked_by_fits_state",
            ),
        ),
    ]
