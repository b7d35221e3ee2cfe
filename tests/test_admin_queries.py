"""Query strings of the admin site that cannot be read: no page of it answers 500 to any of them."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.db import connection, models
from django.test import Client
from django.urls import URLPattern, URLResolver

from accounts.models import SSHKey, User
from repositories.models import Member, Namespace, Project
from tests.test_admin_site import company, root

__all__ = ["company", "root"]

SITE = admin.site._registry  # noqa: SLF001  Django has no other list of them
NUL, DIGITS, BEYOND, BEFORE = "%00", "9" * 5000, "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00%2B23:59"
TIMES = {
    "year": ["99999", "0", "-1", "x"],
    "year__gt": ["99999"],
    "iso_year": ["99999"],
    "iso_year__lt": ["0"],
    "month": ["99"],
    "day__in": ["99,x"],
    "date": ["99999-01-01"],
    "week_day": [DIGITS],
    "hour": ["x"],
    "time": [NUL],
    "exact": [NUL, "infinity"],
    "gte": [BEYOND, BEFORE],
    "lt": [BEYOND, BEFORE],
    "range": [f"{BEFORE},{BEYOND}", "x"],
}
NUMBERS = {
    "exact": [DIGITS, "1e400", NUL, "nan"],
    "gt": ["9" * 30, "-" + "9" * 30],
    "in": ["1,x", DIGITS],
    "range": ["1"],
    "contains": [NUL],
}
TEXTS = {"exact": [NUL], "iexact": [NUL], "contains": ["%ED%A0%80", NUL], "in": [f"a,{NUL}"], "regex": ["(", "(a%2B)%2B$"], "iregex": ["["]}
JSON = {"exact": ["{", NUL], "contains": ["[", NUL], "has_key": [NUL], "x__y": [NUL], "gt": [DIGITS], "0": [NUL]}
ANY = {"isnull": ["maybe", "2"], "nothing": ["1"], "exact__exact": ["1"], "": ["1", NUL]}
PARAMETERS = [
    f"q={NUL}",
    f"q={'x' * 4000}",
    "q=%ED%A0%80",
    f"q={DIGITS}",
    f"p={DIGITS}",
    "p=-1",
    "p=x",
    f"o={DIGITS}",
    "o=99.-99.x",
    "all=" + NUL,
    "_to_field=" + NUL,
    "_to_field=password",
    "_popup=" + NUL,
    "pk__in=" + NUL,
    f"{NUL}=1",
    "a__b__c__d=1",
    "_facets=" + NUL,
    "x" * 4000 + "=1",
]


def lookups(field: "models.Field[Any, Any]") -> Iterator[str]:
    """Query strings of one parameter each, after the field's type."""
    match field:
        case models.DateField():
            tried = {**ANY, **TIMES}
        case models.JSONField():
            tried = {**ANY, **JSON}
        case models.IntegerField() | models.BooleanField():
            tried = {**ANY, **NUMBERS}
        case models.ForeignKey():
            tried = {**ANY, "exact": [NUL, "x", DIGITS], "id__in": [f"1,{NUL}"]}
        case _:
            tried = {**ANY, **TEXTS}
    for lookup, values in tried.items():
        for value in values:
            yield f"{field.name}{'__' if lookup else ''}{lookup}={value}"


def answered(client: Client, url: str) -> int:
    """The status of the answer; what the database refused meanwhile is undone, as it is outside a test."""
    before = connection.savepoint() or ""
    try:
        return client.get(url).status_code
    finally:
        connection.savepoint_rollback(before)


@pytest.fixture
def administrator(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


@pytest.fixture
def patient(administrator: Client) -> Client:
    """Answers 500 instead of raising."""
    administrator.raise_request_exception = False
    return administrator


def label(model: type[models.Model], separator: str = ".") -> str:
    return f"{model._meta.app_label}{separator}{model._meta.model_name}"  # noqa: SLF001  Django's public name for it


@pytest.mark.parametrize("model", SITE, ids=label)
def test_no_list_fails_for_a_lookup_that_cannot_be_read(patient: Client, company: dict[Any, Any], model: type[models.Model]) -> None:
    path = f"/admin/{label(model, '/')}/"
    kinds = {type(field): field for field in model._meta.concrete_fields}  # noqa: SLF001  Django's public name for it
    queries = [*PARAMETERS, *(query for field in kinds.values() for query in lookups(field))]
    statuses = {query[:100]: answered(patient, f"{path}?{query}") for query in queries}
    assert {query: status for query, status in statuses.items() if status not in {200, 302, 400}} == {}


def pages(patterns: list[Any], prefix: str = "/admin/") -> Iterator[str]:
    """The route of each page there is."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from pages(pattern.url_patterns, f"{prefix}{pattern.pattern}")
        elif isinstance(pattern, URLPattern) and "(?P" not in str(pattern.pattern):
            yield f"{prefix}{pattern.pattern}"


def test_no_page_fails_for_ids_and_queries_that_cannot_be_read(patient: Client, company: dict[Any, Any]) -> None:
    statuses = {}
    for route in pages(admin.site.get_urls()):
        if "logout" in route:
            continue
        for value in (NUL, "%ED%A0%80", DIGITS, "1_00", "x" * 300, "_2F"):
            url = route
            for name in ("path:object_id", "path:content_type_id", "int:project_id", "int:delivery_id"):
                url = url.replace(f"<{name}>", DIGITS[:18] if name.startswith("int") else value)
            query = "&".join(f"{name}={value}" for name in ("project", "username", "key", "ref", "check_ip", "term", "_changelist_filters"))
            statuses[url[:200]] = answered(patient, f"{url}?{query}")
    assert {url: status for url, status in statuses.items() if status not in {200, 302, 400, 403, 404}} == {}


@pytest.mark.parametrize("term", [NUL, "%ED%A0%80", DIGITS, "x" * 4000, "%25", "SHA256:" + NUL])
def test_pickers_answer_any_term(patient: Client, company: dict[Any, Any], term: str) -> None:
    sources = [(Member, "user"), (Project, "namespace"), (SSHKey, "user"), (Namespace, "parent"), (User, "id")]
    for model, field in sources:
        url = f"/admin/autocomplete/?app_label={label(model, '&model_name=')}&field_name={field}&term={term}"
        assert answered(patient, url) in {200, 400, 403, 404}, url[:200]
        assert answered(patient, f"{url}&page={quote(DIGITS)}") in {200, 400, 403, 404}


def test_a_list_without_what_could_not_be_read_is_shown_instead(administrator: Client, ann: User) -> None:
    response = administrator.get("/admin/accounts/user/?created_at__year=99999", follow=True)
    assert response.redirect_chain == [("/admin/accounts/user/?e=1", 302)]
    assert response.status_code == 200


def test_lookups_that_can_be_read_filter_as_ever(administrator: Client, ann: User) -> None:
    for query, number in (("username__exact=ann", 1), ("username__exact=nobody", 0), ("created_at__year__gte=2000", 2)):
        response = administrator.get(f"/admin/accounts/user/?{query}")
        assert (query, response.context["cl"].result_count) == (query, number)


@pytest.mark.parametrize("lookup", ["regex", "iregex"])
def test_patterns_are_no_lookups(administrator: Client, ann: User, lookup: str) -> None:
    response = administrator.get(f"/admin/accounts/user/?username__{lookup}=a")
    assert (response.status_code, response["Location"]) == (302, "/admin/accounts/user/?e=1")


@pytest.mark.parametrize("typed", [BEYOND, "0001-01-01T00:00:00+23:59", "99999-01-01"])
def test_a_time_that_is_beyond_what_can_be_stored_is_an_error_of_its_field(administrator: Client, ann: User, typed: str) -> None:
    day, _, time = typed.partition("T")
    for values in ({"0": typed, "1": "00:00"}, {"0": day, "1": time or "24:00"}):
        page = administrator.post(
            f"/admin/accounts/user/{ann.pk}/change/", {f"password_expires_at_{part}": value for part, value in values.items()}
        )
        assert page.status_code == 200
        assert "password_expires_at" in page.context["adminform"].form.errors


@pytest.mark.parametrize(("day", "time"), [("9999-12-31", "23:59:59"), ("0001-01-01", "00:00:00")])
def test_the_first_and_the_last_time_are_stored_and_shown(administrator: Client, ann: User, day: str, time: str) -> None:
    path = f"/admin/accounts/user/{ann.pk}/change/"
    form = administrator.get(path).context["adminform"].form
    values = {name: value for name, value in form.initial.items() if isinstance(value, str | int) and value is not False}
    saved = administrator.post(path, {**values, "password_expires_at_0": day, "password_expires_at_1": time})
    assert saved.status_code == 302
    for url in (path, "/admin/accounts/user/"):
        assert administrator.get(url).status_code == 200
