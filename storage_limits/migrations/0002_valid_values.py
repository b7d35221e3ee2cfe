import django.core.validators
import internal_api.blank_names
from django.db import migrations, models


def repair(apps, schema_editor):
    """Give exclusions without a reason one."""
    rows = apps.get_model('storage_limits', 'LimitExclusion').objects.using(schema_editor.connection.alias)
    rows.filter(pk__in=[row.pk for row in rows.only('reason').iterator() if not row.reason.strip()]).update(reason='not told')
    if schema_editor.connection.vendor == 'postgresql':
        schema_editor.execute('SET CONSTRAINTS ALL IMMEDIATE')  # no table is altered while checks of its rows are put off



class Migration(migrations.Migration):

    dependencies = [
        ('repositories', '0010_valid_values'),
        ('storage_limits', '0001_initial'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='limitexclusion',
            name='limit_exclusion_reason_not_blank',
        ),
        migrations.AlterField(
            model_name='limitexclusion',
            name='reason',
            field=models.TextField(max_length=255, validators=[django.core.validators.MaxLengthValidator(255), internal_api.blank_names.validate_not_blank]),
        ),
        migrations.RunPython(repair, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='limitexclusion',
            constraint=models.CheckConstraint(condition=models.Func(models.F('reason'), models.Value('\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'), function='TRIM', output_field=models.BooleanField(), template="%(function)s(%(expressions)s) <> ''"), name='limit_exclusion_reason_not_blank'),
        ),
    ]
