"""The administrators' site."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.http import HttpRequest
from django.template.response import TemplateResponse

from internal_api.admin_queries import telling_unreadable_queries


class AdministrationSite(admin.AdminSite):
    """Everything the service keeps, for the people who run it."""

    site_header = "Git hosting control plane"
    site_title = "Control plane"
    index_title = "Administration"
    site_url = None
    login_template = "admin/sign_in.html"

    index_template = "admin/overview.html"

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Register all but Django's own groups, which give nobody anything here."""
        models: list[Any] = [model_or_iterable] if isinstance(model_or_iterable, type) else list(model_or_iterable)
        super().register([model for model in models if model._meta.label != "auth.Group"], admin_class, **options)  # noqa: SLF001  Django's public name for it

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """As Django's; a query string that cannot be read is no fault."""
        return super().admin_view(telling_unreadable_queries(view), cacheable)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The front page, with how the service is doing above the lists."""
        from internal_api.front_page import panels  # noqa: PLC0415  loaded by the first who looks

        return super().index(request, {**(extra_context or {}), "panels": panels()})

    @property
    def login_form(self) -> type[AdminAuthenticationForm]:  # type: ignore[override]  # a form that needs the models, which load later
        """Password and second factor in one step."""
        from accounts.sign_in import AdminSignInForm  # noqa: PLC0415  models are not loaded before this

        return AdminSignInForm
