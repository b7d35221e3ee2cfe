import internal_api.blank_names
import internal_api.email_domains
import internal_api.model_fields
from django.db import migrations, models


def repair(apps, schema_editor):
    """Keep a list of the wrong kind inside one, for doctor to find; remove links without a name, which no provider has."""
    def rows(name):
        return apps.get_model('scim', name).objects.using(schema_editor.connection.alias)

    for row in rows('SamlProvider').only('allowed_email_domains').iterator():
        if not isinstance(row.allowed_email_domains, list):
            rows('SamlProvider').filter(pk=row.pk).update(allowed_email_domains=[row.allowed_email_domains])
    rows('SamlGroupLink').filter(pk__in=[row.pk for row in rows('SamlGroupLink').only('name') if not row.name.strip()]).delete()
    rows('SCIMToken').exclude(profile='gitlab').update(profile='gitlab')
    if schema_editor.connection.vendor == 'postgresql':
        schema_editor.execute('SET CONSTRAINTS ALL IMMEDIATE')  # no table is altered while checks of its rows are put off



class Migration(migrations.Migration):

    dependencies = [
        ('repositories', '0010_valid_values'),
        ('scim', '0002_blocks_of_scim'),
    ]

    operations = [
        migrations.AlterField(
            model_name='samlgrouplink',
            name='name',
            field=models.CharField(max_length=255, validators=[internal_api.blank_names.validate_not_blank]),
        ),
        migrations.AlterField(
            model_name='samlprovider',
            name='allowed_email_domains',
            field=internal_api.model_fields.StringListField(blank=True, default=list, find_problem=internal_api.email_domains.domain_problem, help_text='One a line, such as example.com; empty for any.'),
        ),
        migrations.AlterField(
            model_name='scimtoken',
            name='profile',
            field=models.CharField(choices=[('gitlab', 'GitLab')], default='gitlab', max_length=16),
        ),
        migrations.RunPython(repair, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='samlgrouplink',
            constraint=models.CheckConstraint(condition=models.Func(models.F('name'), models.Value('\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'), function='TRIM', output_field=models.BooleanField(), template="%(function)s(%(expressions)s) <> ''"), name='saml_group_link_name_not_blank'),
        ),
        migrations.AddConstraint(
            model_name='samlprovider',
            constraint=models.CheckConstraint(condition=internal_api.model_fields.JSONTypeOf(models.F('allowed_email_domains'), function='JSONB_TYPEOF', template="%(function)s(%(expressions)s) = 'array'"), name='saml_allowed_email_domains_is_list', violation_error_message='allowed_email_domains must be a JSON array.'),
        ),
        migrations.AddConstraint(
            model_name='scimtoken',
            constraint=models.CheckConstraint(condition=models.Q(('profile__in', ['gitlab'])), name='scim_token_profile_known'),
        ),
    ]
