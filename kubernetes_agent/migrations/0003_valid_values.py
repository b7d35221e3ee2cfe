import internal_api.blank_names
import internal_api.encryption
import kubernetes_agent.models.agents
import kubernetes_agent.models.policies
from django.db import migrations, models


def repair(apps, schema_editor):
    """Name policies without a name, switch off those that say nothing, and forget addresses that kas cannot call."""
    def rows(name):
        return apps.get_model('kubernetes_agent', name).objects.using(schema_editor.connection.alias)

    for row in rows('SecurityPolicy').only('name', 'yaml').iterator():
        if not row.name.strip():
            rows('SecurityPolicy').filter(pk=row.pk).update(name=f'policy-{row.pk}')
        if not row.yaml.strip():
            rows('SecurityPolicy').filter(pk=row.pk).update(yaml='{}', enabled=False)
    for row in rows('ReceptiveConfiguration').only('url').iterator():
        if not row.url.startswith(('grpc://', 'grpcs://')):
            rows('ReceptiveConfiguration').filter(pk=row.pk).delete()
    if schema_editor.connection.vendor == 'postgresql':
        schema_editor.execute('SET CONSTRAINTS ALL IMMEDIATE')  # no table is altered while checks of its rows are put off



class Migration(migrations.Migration):

    dependencies = [
        ('kubernetes_agent', '0002_names_of_tokens_are_not_blank'),
        ('repositories', '0010_valid_values'),
    ]

    operations = [
        migrations.AlterField(
            model_name='receptiveconfiguration',
            name='private_key',
            field=internal_api.encryption.EncryptedTextField(blank=True, help_text='Base64 of a raw Ed25519 key.', null=True, validators=[kubernetes_agent.models.agents.validate_base64]),
        ),
        migrations.AlterField(
            model_name='receptiveconfiguration',
            name='url',
            field=models.CharField(max_length=2048, validators=[kubernetes_agent.models.agents.validate_agent_url]),
        ),
        migrations.AlterField(
            model_name='securitypolicy',
            name='name',
            field=models.CharField(max_length=255, validators=[internal_api.blank_names.validate_not_blank]),
        ),
        migrations.AlterField(
            model_name='securitypolicy',
            name='yaml',
            field=models.TextField(validators=[kubernetes_agent.models.policies.validate_policy_yaml]),
        ),
        migrations.RunPython(repair, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='receptiveconfiguration',
            constraint=models.CheckConstraint(condition=models.Q(('url__startswith', 'grpc://'), ('url__startswith', 'grpcs://'), _connector='OR'), name='receptive_url_has_scheme'),
        ),
        migrations.AddConstraint(
            model_name='securitypolicy',
            constraint=models.CheckConstraint(condition=models.Func(models.F('name'), models.Value('\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'), function='TRIM', output_field=models.BooleanField(), template="%(function)s(%(expressions)s) <> ''"), name='security_policy_name_not_blank'),
        ),
        migrations.AddConstraint(
            model_name='securitypolicy',
            constraint=models.CheckConstraint(condition=models.Func(models.F('yaml'), models.Value('\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'), function='TRIM', output_field=models.BooleanField(), template="%(function)s(%(expressions)s) <> ''"), name='security_policy_yaml_not_blank'),
        ),
        migrations.AlterConstraint(
            model_name='securitypolicy',
            name='security_policy_one_place',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('group__isnull', True), ('project__isnull', False)), models.Q(('group__isnull', False), ('project__isnull', True)), _connector='OR'), name='security_policy_one_place', violation_error_message='Choose a project or a group, one of them.'),
        ),
    ]
