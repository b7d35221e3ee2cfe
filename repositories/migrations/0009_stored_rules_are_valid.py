import django.core.validators
import internal_api.email_domains
import internal_api.model_fields
import internal_api.models.instance_settings
import repositories.models.project
import repositories.models.protected_refs
import repositories.policy.addresses
from django.conf import settings
from django.db import migrations, models


SCHEMES = ('unix:', 'tcp://', 'tls://', 'dns:', 'dns+tls:')


def repair(apps, schema_editor):
    """Make what the constraints refuse what restricts more; a list of the wrong kind is kept inside one, for doctor to find."""
    def rows(name):
        return apps.get_model('repositories', name).objects.using(schema_editor.connection.alias)

    namespaces = rows('Namespace')
    namespaces.exclude(project_creation_level__in=['no_one', 'maintainer', 'developer']).update(project_creation_level='no_one')
    namespaces.exclude(enabled_git_access_protocol__in=['all', 'ssh', 'http']).update(enabled_git_access_protocol='ssh')
    for name in ('default_branch_push', 'default_branch_merge'):
        unknown = namespaces.exclude(**{f'{name}__isnull': True}).exclude(**{f'{name}__in': ['no_one', 'developer', 'maintainer', 'admin']})
        unknown.update(**{name: 'maintainer'})
    namespaces.filter(storage_limit__lt=0).update(storage_limit=0)
    for row in namespaces.only('ip_allowlist', 'verified_email_domains').iterator():
        for name in ('ip_allowlist', 'verified_email_domains'):
            value = getattr(row, name)
            if not isinstance(value, list):
                namespaces.filter(pk=row.pk).update(**{name: [value]})
    rows('Member').exclude(state__in=['active', 'awaiting']).update(state='awaiting')
    rows('Project').filter(relative_path='').update(relative_path=None)
    for name in ('Project', 'ProtectedBranch', 'ProtectedTag'):
        column = 'default_branch' if name == 'Project' else 'name'
        blank = [row.pk for row in rows(name).only(column).iterator() if not getattr(row, column).strip()]
        if name == 'Project':
            rows(name).filter(pk__in=blank).update(default_branch='main')
        else:
            rows(name).filter(pk__in=blank).delete()
    for row in rows('Storage').defer('gitaly_token'):
        if not row.name.strip():
            rows('Storage').filter(pk=row.pk).update(name=f'storage-{row.pk}')
        if not row.gitaly_address.startswith(SCHEMES):
            rows('Storage').filter(pk=row.pk).update(gitaly_address=f'unix:{row.gitaly_address}'[:1024])
    if schema_editor.connection.vendor == 'postgresql':
        schema_editor.execute('SET CONSTRAINTS ALL IMMEDIATE')  # no table is altered while checks of its rows are put off



class Migration(migrations.Migration):

    dependencies = [
        ('repositories', '0008_webhooks_have_one_place'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name='namespace',
            name='default_branch_merge',
            field=models.CharField(blank=True, choices=[('no_one', 'No one'), ('developer', 'Developers and maintainers'), ('maintainer', 'Maintainers'), ('admin', 'Administrators')], max_length=16, null=True),
        ),
        migrations.AlterField(
            model_name='namespace',
            name='default_branch_push',
            field=models.CharField(blank=True, choices=[('no_one', 'No one'), ('developer', 'Developers and maintainers'), ('maintainer', 'Maintainers'), ('admin', 'Administrators')], max_length=16, null=True),
        ),
        migrations.AlterField(
            model_name='namespace',
            name='ip_allowlist',
            field=internal_api.model_fields.StringListField(blank=True, default=list, find_problem=repositories.policy.addresses.range_problem, help_text='CIDR ranges, one a line; of top-level groups.'),
        ),
        migrations.AlterField(
            model_name='namespace',
            name='storage_limit',
            field=models.BigIntegerField(default=0, help_text='Bytes; 0 for none. Of top-level namespaces.', validators=[django.core.validators.MinValueValidator(0)]),
        ),
        migrations.AlterField(
            model_name='namespace',
            name='verified_email_domains',
            field=internal_api.model_fields.StringListField(blank=True, default=list, find_problem=internal_api.email_domains.domain_problem, help_text='One a line, such as example.com; of top-level groups.'),
        ),
        migrations.AlterField(
            model_name='project',
            name='default_branch',
            field=models.CharField(default='main', max_length=255, validators=[internal_api.models.instance_settings.validate_branch_name]),
        ),
        migrations.AlterField(
            model_name='project',
            name='relative_path',
            field=models.CharField(blank=True, max_length=1024, null=True, validators=[repositories.models.project.validate_relative_path]),
        ),
        migrations.AlterField(
            model_name='project',
            name='storage_size',
            field=models.BigIntegerField(default=0, help_text='Bytes.', validators=[django.core.validators.MinValueValidator(0)]),
        ),
        migrations.AlterField(
            model_name='protectedbranch',
            name='name',
            field=models.CharField(help_text='`*` stands for anything.', max_length=1024, validators=[repositories.models.protected_refs.validate_ref_pattern]),
        ),
        migrations.AlterField(
            model_name='protectedrefgrant',
            name='access_level',
            field=models.PositiveSmallIntegerField(blank=True, choices=[(0, 'No one'), (30, 'Developers and maintainers'), (40, 'Maintainers'), (60, 'Administrators')], null=True),
        ),
        migrations.AlterField(
            model_name='protectedtag',
            name='name',
            field=models.CharField(help_text='`*` stands for anything.', max_length=1024, validators=[repositories.models.protected_refs.validate_ref_pattern]),
        ),
        migrations.RunPython(repair, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='member',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['active', 'awaiting'])), name='member_state_known'),
        ),
        migrations.AddConstraint(
            model_name='namespace',
            constraint=models.CheckConstraint(condition=models.Q(('project_creation_level__in', ['no_one', 'maintainer', 'developer'])), name='namespace_creation_level_known'),
        ),
        migrations.AddConstraint(
            model_name='namespace',
            constraint=models.CheckConstraint(condition=models.Q(('enabled_git_access_protocol__in', ['all', 'ssh', 'http'])), name='namespace_git_protocol_known'),
        ),
        migrations.AddConstraint(
            model_name='namespace',
            constraint=models.CheckConstraint(condition=models.Q(('default_branch_push__isnull', True), ('default_branch_push__in', ['no_one', 'developer', 'maintainer', 'admin']), _connector='OR'), name='namespace_default_branch_push_known'),
        ),
        migrations.AddConstraint(
            model_name='namespace',
            constraint=models.CheckConstraint(condition=models.Q(('default_branch_merge__isnull', True), ('default_branch_merge__in', ['no_one', 'developer', 'maintainer', 'admin']), _connector='OR'), name='namespace_default_branch_merge_known'),
        ),
        migrations.AddConstraint(
            model_name='namespace',
            constraint=models.CheckConstraint(condition=models.Q(('storage_limit__gte', 0)), name='namespace_storage_limit_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='namespace',
            constraint=models.CheckConstraint(condition=internal_api.model_fields.JSONTypeOf(models.F('ip_allowlist'), function='JSONB_TYPEOF', template="%(function)s(%(expressions)s) = 'array'"), name='namespace_ip_allowlist_is_list', violation_error_message='ip_allowlist must be a JSON array.'),
        ),
        migrations.AddConstraint(
            model_name='namespace',
            constraint=models.CheckConstraint(condition=internal_api.model_fields.JSONTypeOf(models.F('verified_email_domains'), function='JSONB_TYPEOF', template="%(function)s(%(expressions)s) = 'array'"), name='namespace_verified_email_domains_is_list', violation_error_message='verified_email_domains must be a JSON array.'),
        ),
        migrations.AddConstraint(
            model_name='project',
            constraint=models.CheckConstraint(condition=models.Q(('relative_path', ''), _negated=True), name='project_relative_path_not_empty'),
        ),
        migrations.AddConstraint(
            model_name='project',
            constraint=models.CheckConstraint(condition=models.Func(models.F('default_branch'), models.Value('\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'), function='TRIM', output_field=models.BooleanField(), template="%(function)s(%(expressions)s) <> ''"), name='project_default_branch_not_blank'),
        ),
        migrations.AddConstraint(
            model_name='protectedbranch',
            constraint=models.CheckConstraint(condition=models.Func(models.F('name'), models.Value('\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'), function='TRIM', output_field=models.BooleanField(), template="%(function)s(%(expressions)s) <> ''"), name='protected_branch_name_not_blank'),
        ),
        migrations.AddConstraint(
            model_name='protectedtag',
            constraint=models.CheckConstraint(condition=models.Func(models.F('name'), models.Value('\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'), function='TRIM', output_field=models.BooleanField(), template="%(function)s(%(expressions)s) <> ''"), name='protected_tag_name_not_blank'),
        ),
        migrations.AddConstraint(
            model_name='storage',
            constraint=models.CheckConstraint(condition=models.Func(models.F('name'), models.Value('\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'), function='TRIM', output_field=models.BooleanField(), template="%(function)s(%(expressions)s) <> ''"), name='storage_name_not_blank'),
        ),
        migrations.AddConstraint(
            model_name='storage',
            constraint=models.CheckConstraint(condition=models.Q(('gitaly_address__startswith', 'unix:'), ('gitaly_address__startswith', 'tcp://'), ('gitaly_address__startswith', 'tls://'), ('gitaly_address__startswith', 'dns:'), ('gitaly_address__startswith', 'dns+tls:'), _connector='OR'), name='storage_gitaly_address_has_scheme'),
        ),
        migrations.AlterConstraint(
            model_name='protectedbranch',
            name='protected_branch_one_source',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('namespace__isnull', False), ('project__isnull', True)), models.Q(('namespace__isnull', True), ('project__isnull', False)), _connector='OR'), name='protected_branch_one_source', violation_error_message='Choose a project or a top-level group, one of them.'),
        ),
    ]
