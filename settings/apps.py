"""The admin site as an app of its own, so that every domain app registers its models on one site."""

from django.contrib.admin.apps import AdminConfig


class AdminSiteConfig(AdminConfig):
    """Django's admin with our site object."""

    default_site = "settings.admin.AdministrationSite"
