"""Settings that administrators change while processes run, secrets kept encrypted, errors in one place."""

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.http import Http404
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings
from rest_framework.exceptions import MethodNotAllowed, NotAuthenticated, NotFound, ParseError

from internal_api import errors
from internal_api.encryption import decrypt, encrypt
from internal_api.exception_handler import domain_error
from internal_api.instance import settings_of_version
from internal_api.models import InstanceSettings
from internal_api.seeding import Entry, Report, SeedError
from internal_api.seeds import FIELDS, load_instance
from repositories.models import Storage


def test_settings_are_read_again_when_their_version_is_another(db: None, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    InstanceSettings(read_only=True).save()
    version = InstanceSettings.current().version
    assert settings_of_version(version).read_only
    with django_assert_num_queries(0):
        settings_of_version(version)
    InstanceSettings(read_only=False).save()
    assert not settings_of_version(InstanceSettings.current().version).read_only
    assert InstanceSettings.objects.count() == 1


def test_without_a_row_the_defaults_hold(db: None) -> None:
    assert settings_of_version(None).gitlab_shell_operation_limit == 600


def test_a_secret_is_encrypted_at_rest(db: None) -> None:
    Storage.objects.create(name="default", gitaly_address="unix:/x", gitaly_token="the token")
    assert Storage.objects.get().gitaly_token == "the token"
    with connection.cursor() as cursor:
        cursor.execute("SELECT gitaly_token FROM repositories_storage")
        assert "the token" not in cursor.fetchone()[0]


def test_an_earlier_key_still_decrypts(settings: Settings) -> None:
    settings.SECRET_KEY = "the former key"
    stored = encrypt("x")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the new key", ["the former key"]
    assert decrypt(stored) == "x"
    settings.SECRET_KEY_FALLBACKS = []
    decrypt.cache_clear()
    with pytest.raises(ValueError, match="not among those that are configured"):
        decrypt(stored)


def all_errors(kind: type[errors.DomainError] = errors.DomainError) -> list[type[errors.DomainError]]:
    return [kind, *(below for one in kind.__subclasses__() for below in all_errors(one))]


@pytest.mark.parametrize("kind", all_errors())
def test_every_error_has_a_status_and_a_sentence(kind: type[errors.DomainError]) -> None:
    # GitLab Shell's own commands read their refusals from an answer with status 200 (shell-endpoints 7 to 10).
    assert 400 <= kind.status < 500 or kind.status in {501, 503} or kind.__name__ == "CommandRefusedError"
    assert kind.message or kind().message  # some say which thing it is about


@pytest.mark.parametrize(
    ("exception", "status"),
    [
        (Http404(), 404),
        (NotFound(), 404),
        (PermissionDenied(), 403),
        (MethodNotAllowed("GET"), 405),
        (NotAuthenticated(), 403),
        (ParseError(), 400),
    ],
)
def test_what_others_raise_has_a_meaning(exception: Exception, status: int) -> None:
    error = domain_error(exception)
    assert error is not None
    assert error.status in {status, 401}
    assert domain_error(RuntimeError()) is None


@pytest.mark.parametrize(
    "url",
    [
        "git.example.com", "ftp://git.example.com", "javascript:alert(1)", "https://", "https://x:port", "https://[x", "https://x/?a=b",
        "https://x/#a", "https://ann:secret@x", "https://x/a b", "https://x/\n", f"https://x/{'a' * 255}",
    ],
)  # fmt: skip
def test_the_url_of_the_web_interface_is_an_http_url(db: None, url: str) -> None:
    """In a form as in a seed file; decisions 19."""
    with pytest.raises(ValidationError):
        InstanceSettings(web_url=url).full_clean()
    with pytest.raises(SeedError, match="web_url"):
        FIELDS["web_url"](url, "instance.web_url")


@pytest.mark.parametrize(
    ("given", "kept"),
    [(None, ""), ("", ""), ("https://git.example.com/", "https://git.example.com"), ("http://web:3000/git", "http://web:3000/git")],
)
def test_the_url_of_the_web_interface_is_kept_without_a_slash_at_the_end(db: None, given: str | None, kept: str) -> None:
    """So the same seed file changes nothing the second time, and null removes it."""
    InstanceSettings(web_url="https://former.example.com").save()
    for outcome in ({"instance": {"changed": 1}}, {}):
        report = Report(InstanceSettings.current())
        load_instance(report, Entry({"web_url": given}, "instance", FIELDS))
        assert InstanceSettings.current().web_url == kept
        assert report.changes() == outcome
