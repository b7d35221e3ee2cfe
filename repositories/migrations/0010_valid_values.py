import internal_api.blank_names
import internal_api.encryption
import repositories.models.webhook
from django.db import migrations, models


def repair(apps, schema_editor):
    """Remove keys that are blank: nobody can show one."""
    rows = apps.get_model('repositories', 'ErrorTrackingKey').objects.using(schema_editor.connection.alias)
    rows.filter(pk__in=[row.pk for row in rows.only('public_key').iterator() if not row.public_key.strip()]).delete()
    if schema_editor.connection.vendor == 'postgresql':
        schema_editor.execute('SET CONSTRAINTS ALL IMMEDIATE')  # no table is altered while checks of its rows are put off



class Migration(migrations.Migration):

    dependencies = [
        ('repositories', '0009_stored_rules_are_valid'),
    ]

    operations = [
        migrations.AlterField(
            model_name='errortrackingkey',
            name='public_key',
            field=models.CharField(max_length=255, validators=[internal_api.blank_names.validate_not_blank]),
        ),
        migrations.AlterField(
            model_name='webhook',
            name='token',
            field=internal_api.encryption.EncryptedTextField(blank=True, null=True, validators=[repositories.models.webhook.validate_header_text]),
        ),
        migrations.RunPython(repair, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='errortrackingkey',
            constraint=models.CheckConstraint(condition=models.Func(models.F('public_key'), models.Value('\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'), function='TRIM', output_field=models.BooleanField(), template="%(function)s(%(expressions)s) <> ''"), name='error_tracking_key_not_blank'),
        ),
    ]
