"""Names of tokens and agents are not blank; those from before get one that is made of their id."""

import internal_api.blank_names
from django.conf import settings
from django.db import migrations, models


def name_the_blank(apps, schema_editor):
    """Give each row with a blank name another one."""
    alias = schema_editor.connection.alias
    for row in apps.get_model("kubernetes_agent", "Agent").objects.using(alias).only("name").iterator():
        if not row.name.strip():
            row.name = f"agent-{row.pk}"
            row.save(update_fields=["name"])
    for row in apps.get_model("kubernetes_agent", "AgentToken").objects.using(alias).only("name").iterator():
        if not row.name.strip():
            row.name = f"token-{row.pk}"
            row.save(update_fields=["name"])


class Migration(migrations.Migration):

    dependencies = [
        ('kubernetes_agent', '0001_initial'),
        ('repositories', '0005_default_branch_and_size'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name='agenttoken',
            name='name',
            field=models.CharField(max_length=255, validators=[internal_api.blank_names.validate_not_blank]),
        ),
        migrations.RunPython(name_the_blank, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='agent',
            constraint=models.CheckConstraint(condition=models.Func(models.F('name'), models.Value('\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'), function='TRIM', output_field=models.BooleanField(), template="%(function)s(%(expressions)s) <> ''"), name='agent_name_not_blank'),
        ),
        migrations.AddConstraint(
            model_name='agenttoken',
            constraint=models.CheckConstraint(condition=models.Func(models.F('name'), models.Value('\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'), function='TRIM', output_field=models.BooleanField(), template="%(function)s(%(expressions)s) <> ''"), name='agent_token_name_not_blank'),
        ),
    ]
