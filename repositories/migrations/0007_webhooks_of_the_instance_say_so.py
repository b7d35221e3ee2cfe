from django.db import migrations, models


def webhooks_without_a_place_were_the_instances(apps, schema_editor):
    apps.get_model("repositories", "Webhook").objects.filter(namespace=None, project=None).update(instance=True)


class Migration(migrations.Migration):

    dependencies = [
        ('repositories', '0006_pending_pushes'),
    ]

    operations = [
        migrations.AddField(
            model_name='webhook',
            name='instance',
            field=models.BooleanField(default=False, help_text="Told of every push to every project, private ones included (GitLab's system hook).", verbose_name='whole instance'),
        ),
        migrations.RunPython(webhooks_without_a_place_were_the_instances, migrations.RunPython.noop, elidable=True),
    ]
