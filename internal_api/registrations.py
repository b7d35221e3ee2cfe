"""Filling the kernel's registries when somebody first asks one: a server that only answers requests needs none of what fills them."""

from functools import cache
from importlib import import_module

from django.apps import apps
from django.utils.module_loading import module_has_submodule


@cache
def load_registrations(module: str) -> None:
    """Call `register` in the module of this name of every app that has one, such as `seeds` or `front_page`."""
    for config in apps.get_app_configs():
        if config.module is not None and module_has_submodule(config.module, module):
            register = getattr(import_module(f"{config.name}.{module}"), "register", None)
            if register is not None:
                register()
