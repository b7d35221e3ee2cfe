#!/usr/bin/env python
"""Django's command line, ready to use without setting anything in the environment."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import DatabaseError

from internal_api.acting import acting, command_actor
from internal_api.metrics_directory import count_for_a_port


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.base")
    try:
        count_for_a_port(sys.argv[1:])
        with acting(command_actor(next(iter(sys.argv[1:]), "help"))):  # Django's own commands too, such as changepassword
            execute_from_command_line(sys.argv)
    except (DatabaseError, ImproperlyConfigured) as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')} (manage.py doctor may tell more)")


if __name__ == "__main__":
    main()
