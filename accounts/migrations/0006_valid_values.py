import accounts.models.personal_access_token
import django.core.validators
import internal_api.blank_names
import internal_api.model_fields
from django.db import migrations, models


def repair(apps, schema_editor):
    """Give blank titles a name; a list of scopes of the wrong kind becomes none, which opens nothing."""
    def rows(name):
        return apps.get_model('accounts', name).objects.using(schema_editor.connection.alias)

    for row in rows('SSHKey').only('title').iterator():
        if not row.title.strip():
            rows('SSHKey').filter(pk=row.pk).update(title='key')
    for row in rows('PersonalAccessToken').only('scopes').iterator():
        if not isinstance(row.scopes, list):
            rows('PersonalAccessToken').filter(pk=row.pk).update(scopes=[])
    for row in rows('User').only('username').iterator():
        if not row.username.strip():
            rows('User').filter(pk=row.pk).update(username=f'user-{row.pk}')
    if schema_editor.connection.vendor == 'postgresql':
        schema_editor.execute('SET CONSTRAINTS ALL IMMEDIATE')  # no table is altered while checks of its rows are put off



class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_sign_in_lock'),
    ]

    operations = [
        migrations.AlterField(
            model_name='personalaccesstoken',
            name='scopes',
            field=internal_api.model_fields.StringListField(blank=True, default=list, find_problem=accounts.models.personal_access_token.scope_problem),
        ),
        migrations.AlterField(
            model_name='sshkey',
            name='title',
            field=models.CharField(max_length=255, validators=[internal_api.blank_names.validate_not_blank]),
        ),
        migrations.AlterField(
            model_name='user',
            name='projects_limit',
            field=models.PositiveIntegerField(default=100000, validators=[django.core.validators.MaxValueValidator(2147483647)]),
        ),
        migrations.RunPython(repair, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='personalaccesstoken',
            constraint=models.CheckConstraint(condition=internal_api.model_fields.JSONTypeOf(models.F('scopes'), function='JSONB_TYPEOF', template="%(function)s(%(expressions)s) = 'array'"), name='personal_access_token_scopes_is_list', violation_error_message='scopes must be a JSON array.'),
        ),
        migrations.AddConstraint(
            model_name='sshkey',
            constraint=models.CheckConstraint(condition=models.Func(models.F('title'), models.Value('\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'), function='TRIM', output_field=models.BooleanField(), template="%(function)s(%(expressions)s) <> ''"), name='ssh_key_title_not_blank'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.CheckConstraint(condition=models.Func(models.F('username'), models.Value('\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'), function='TRIM', output_field=models.BooleanField(), template="%(function)s(%(expressions)s) <> ''"), name='user_username_not_blank'),
        ),
    ]
