import django.core.validators
import internal_api.model_fields
import internal_api.models.instance_settings
import internal_api.setting_values
from django.db import migrations, models


LEVELS = {'no_one', 'developer', 'maintainer', 'admin'}


def repair(apps, schema_editor):
    """Make what the constraints refuse what restricts more; a list or mapping of the wrong kind is kept inside one, for doctor to find."""
    for row in apps.get_model('internal_api', 'InstanceSettings').objects.using(schema_editor.connection.alias):
        if row.enabled_git_access_protocol not in {'', 'ssh', 'http'}:
            row.enabled_git_access_protocol = 'ssh'
        for name in ('default_branch_push', 'default_branch_merge'):
            if getattr(row, name) not in LEVELS:
                setattr(row, name, 'maintainer')
        if row.email_confirmation not in {'off', 'soft', 'hard'}:
            row.email_confirmation = 'hard'
        row.default_branch_name = row.default_branch_name or 'main'
        for name, kind in {'allowed_key_types': list, 'broadcasts': list, 'minimum_key_bits': dict, 'feature_flags': dict}.items():
            value = getattr(row, name)
            if not isinstance(value, kind):
                setattr(row, name, [value] if kind is list else {'unreadable': value})
        row.save()
    if schema_editor.connection.vendor == 'postgresql':
        schema_editor.execute('SET CONSTRAINTS ALL IMMEDIATE')  # no table is altered while checks of its rows are put off



class Migration(migrations.Migration):

    dependencies = [
        ('internal_api', '0007_what_audit_events_tell'),
    ]

    operations = [
        migrations.AlterField(
            model_name='instancesettings',
            name='allowed_key_types',
            field=internal_api.model_fields.StringListField(blank=True, default=list, find_problem=internal_api.setting_values.key_type_problem, help_text='SSH key types, one a line; empty for all.'),
        ),
        migrations.AlterField(
            model_name='instancesettings',
            name='broadcasts',
            field=internal_api.model_fields.StructuredField(blank=True, default=list, find_problems=internal_api.setting_values.broadcasts_problems, help_text="One a line, such as - {message: Down at noon, target_path: 'acme/*', roles: [developer], ends_at: 2030-01-31T12:00:00Z}"),
        ),
        migrations.AlterField(
            model_name='instancesettings',
            name='default_branch_name',
            field=models.CharField(default='main', help_text='For repositories whose HEAD names nothing.', max_length=255, validators=[internal_api.models.instance_settings.validate_branch_name]),
        ),
        migrations.AlterField(
            model_name='instancesettings',
            name='feature_flags',
            field=internal_api.model_fields.StructuredField(blank=True, default=dict, find_problems=internal_api.setting_values.feature_flags_problems, help_text='One a line, such as gitaly_x: true, or gitaly_x: {projects: [acme/rockets], groups: [acme], users: [ann]}'),
        ),
        migrations.AlterField(
            model_name='instancesettings',
            name='gitlab_shell_operation_limit',
            field=models.PositiveIntegerField(default=600, help_text='Git operations a minute; 0 for no limit.', validators=[django.core.validators.MaxValueValidator(2147483647)]),
        ),
        migrations.AlterField(
            model_name='instancesettings',
            name='minimum_key_bits',
            field=internal_api.model_fields.StructuredField(blank=True, default=internal_api.models.instance_settings.default_key_bits, find_problems=internal_api.setting_values.key_bits_problems, help_text='One a line, such as ssh-rsa: 2048'),
        ),
        migrations.AlterField(
            model_name='instancesettings',
            name='receive_max_input_size',
            field=models.PositiveIntegerField(default=0, help_text='MiB of one push; 0 for no limit.', validators=[django.core.validators.MaxValueValidator(2147483647)]),
        ),
        migrations.RunPython(repair, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='instancesettings',
            constraint=models.CheckConstraint(condition=models.Q(('enabled_git_access_protocol__in', ['', 'ssh', 'http'])), name='instance_settings_enabled_git_access_protocol_known'),
        ),
        migrations.AddConstraint(
            model_name='instancesettings',
            constraint=models.CheckConstraint(condition=models.Q(('default_branch_push__in', ['no_one', 'developer', 'maintainer', 'admin'])), name='instance_settings_default_branch_push_known'),
        ),
        migrations.AddConstraint(
            model_name='instancesettings',
            constraint=models.CheckConstraint(condition=models.Q(('default_branch_merge__in', ['no_one', 'developer', 'maintainer', 'admin'])), name='instance_settings_default_branch_merge_known'),
        ),
        migrations.AddConstraint(
            model_name='instancesettings',
            constraint=models.CheckConstraint(condition=models.Q(('email_confirmation__in', ['off', 'soft', 'hard'])), name='instance_settings_email_confirmation_known'),
        ),
        migrations.AddConstraint(
            model_name='instancesettings',
            constraint=models.CheckConstraint(condition=models.Q(('default_branch_name', ''), _negated=True), name='instance_settings_default_branch_name_not_blank'),
        ),
        migrations.AddConstraint(
            model_name='instancesettings',
            constraint=models.CheckConstraint(condition=internal_api.model_fields.JSONTypeOf(models.F('allowed_key_types'), function='JSONB_TYPEOF', template="%(function)s(%(expressions)s) = 'array'"), name='instance_settings_allowed_key_types_is_list', violation_error_message='allowed_key_types must be a JSON array.'),
        ),
        migrations.AddConstraint(
            model_name='instancesettings',
            constraint=models.CheckConstraint(condition=internal_api.model_fields.JSONTypeOf(models.F('minimum_key_bits'), function='JSONB_TYPEOF', template="%(function)s(%(expressions)s) = 'object'"), name='instance_settings_minimum_key_bits_is_mapping', violation_error_message='minimum_key_bits must be a JSON object.'),
        ),
        migrations.AddConstraint(
            model_name='instancesettings',
            constraint=models.CheckConstraint(condition=internal_api.model_fields.JSONTypeOf(models.F('feature_flags'), function='JSONB_TYPEOF', template="%(function)s(%(expressions)s) = 'object'"), name='instance_settings_feature_flags_is_mapping', violation_error_message='feature_flags must be a JSON object.'),
        ),
        migrations.AddConstraint(
            model_name='instancesettings',
            constraint=models.CheckConstraint(condition=internal_api.model_fields.JSONTypeOf(models.F('broadcasts'), function='JSONB_TYPEOF', template="%(function)s(%(expressions)s) = 'array'"), name='instance_settings_broadcasts_is_list', violation_error_message='broadcasts must be a JSON array.'),
        ),
    ]
