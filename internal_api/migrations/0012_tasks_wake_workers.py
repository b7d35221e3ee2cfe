"""On PostgreSQL a task that becomes ready wakes the workers that listen (internal_api/task_listener.py), when its transaction is committed."""

from django.db import migrations

CREATE = """
CREATE FUNCTION internal_api_notify_workers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('internal_api_tasks', '');
    RETURN NULL;
END $$;
CREATE TRIGGER internal_api_task_is_ready AFTER INSERT OR UPDATE OF status ON django_tasks_database_dbtaskresult
    FOR EACH ROW WHEN (NEW.status = 'READY') EXECUTE FUNCTION internal_api_notify_workers();
"""
DROP = """
DROP TRIGGER IF EXISTS internal_api_task_is_ready ON django_tasks_database_dbtaskresult;
DROP FUNCTION IF EXISTS internal_api_notify_workers();
"""


def _on_postgresql(sql):
    def run(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(sql)

    return run


class Migration(migrations.Migration):
    dependencies = [
        ("internal_api", "0011_running_and_failed_tasks"),
        ("django_tasks_database", "0021_conditional_partial_index_ordering"),
    ]

    operations = [migrations.RunPython(_on_postgresql(CREATE), _on_postgresql(DROP))]
