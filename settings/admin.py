"""The administrators' site."""

from django.contrib import admin


class AdministrationSite(admin.AdminSite):
    """Everything the service keeps, for the people who run it."""

    site_header = "Git hosting control plane"
    site_title = "Control plane"
    index_title = "Administration"
    site_url = None
