"""Provisioning by SCIM at size, on PostgreSQL: how fast people come in, and what a page costs at either end.

Run with `make bench-scim`. Nothing is asserted: the figures are for people.
"""

import os
import statistics
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.test")
os.environ.setdefault("LOG_LEVEL", "WARNING")
django.setup()

from django.core.management import call_command  # noqa: E402  after the set-up
from django.test import Client  # noqa: E402  likewise

from accounts.models import User  # noqa: E402  likewise
from scim.models import Identity, Scope  # noqa: E402  likewise
from scim.services.tokens import rotate_token, scope_of  # noqa: E402  likewise

BASE = "/api/scim/v2/application/Users"
PEOPLE, MANY = int(os.environ.get("PEOPLE", "10000")), 100_000


def person(number: int) -> dict[str, object]:
    """Somebody who has not been provisioned yet."""
    name = f"person{number}"
    emails = [{"type": "work", "value": f"{name}@example.com"}]
    return {"externalId": name, "userName": name, "emails": emails, "name": {"formatted": f"Person {number}"}}


def provision(client: Client) -> list[float]:
    """Seconds for each thousand."""
    seconds, started = [], time.perf_counter()
    for number in range(PEOPLE):
        assert client.post(BASE, person(number), content_type="application/scim+json").status_code == 201  # noqa: S101, PLR2004  a bench is checked too
        if number % 1000 == 999:  # noqa: PLR2004  a thousand
            seconds.append(time.perf_counter() - started)
            started = time.perf_counter()
    return seconds


def page(client: Client, start: int) -> float:
    """Milliseconds, the median of twenty."""

    def once() -> float:
        started = time.perf_counter()
        client.get(BASE, {"startIndex": start, "count": 100})
        return (time.perf_counter() - started) * 1000

    return statistics.median(once() for _ in range(20))


def main() -> None:
    """Print the figures."""
    call_command("migrate", verbosity=0)
    client = Client(headers={"authorization": f"Bearer {rotate_token(None)[1]}"})
    thousands = provision(client)
    print("seconds per thousand people:", " ".join(f"{second:.1f}" for second in thousands))  # noqa: T201  a bench prints
    scope = scope_of(None)
    users = User.objects.bulk_create(
        [User(username=f"u{n}", name=f"U {n}", email=f"u{n}@example.com") for n in range(MANY - PEOPLE)], batch_size=5000
    )
    Identity.objects.bulk_create([Identity(scope=scope, user=user, extern_uid=user.username) for user in users], batch_size=5000)
    Scope.objects.filter(pk=scope.pk).update(identity_count=MANY)
    for start in (1, MANY // 2, MANY - 99):
        print(f"page of 100 at {start:>6}: {page(client, start):.1f} ms")  # noqa: T201  likewise


if __name__ == "__main__":
    main()
