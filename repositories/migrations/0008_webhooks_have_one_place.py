from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('repositories', '0007_webhooks_of_the_instance_say_so'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='webhook',
            name='webhook_of_one_place_at_most',
        ),
        migrations.RemoveConstraint(
            model_name='webhook',
            name='webhook_unique_in_instance',
        ),
        migrations.AddConstraint(
            model_name='webhook',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('instance', False), ('namespace__isnull', False), ('project__isnull', True)), models.Q(('instance', False), ('namespace__isnull', True), ('project__isnull', False)), models.Q(('instance', True), ('namespace__isnull', True), ('project__isnull', True)), _connector='OR'), name='webhook_of_one_place', violation_error_message='Choose a project, a group or the whole instance, one of them.'),
        ),
        migrations.AddConstraint(
            model_name='webhook',
            constraint=models.UniqueConstraint(condition=models.Q(('instance', True)), fields=('url',), name='webhook_unique_in_instance'),
        ),
    ]
