"""Running and failed tasks are found by an index: workers and metrics look for them again and again among millions that are done."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("internal_api", "0010_password_authentication_for_git"),
        ("django_tasks_database", "0021_conditional_partial_index_ordering"),
    ]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX tasks_running_or_failed ON django_tasks_database_dbtaskresult (status, id) WHERE status IN ('RUNNING', 'FAILED')",
            "DROP INDEX tasks_running_or_failed",
        ),
    ]
