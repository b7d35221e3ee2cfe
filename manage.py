#!/usr/bin/env python
"""Django's command line, ready to use without setting anything in the environment."""

import os
import sys

from django.core.management import execute_from_command_line


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.base")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
