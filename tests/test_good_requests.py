"""Each operation of the API, asked well and then nearly well: a 2xx, and then answers that the description knows, never a fault.

The test client holds every answer against the description. EXAMPLES=1000 for a long run, SEED for another one.
"""

import json
import os
import random
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from tests.described_answers import document
from tests.good_requests import Good, World, build_world, good_requests
from tests.mutations import mutation
from tests.passes import POSTGRESQL

MUTATIONS = int(os.environ.get("EXAMPLES", "8" if POSTGRESQL else "2"))
"""PostgreSQL is the one that refuses what SQLite keeps."""
OPERATIONS = [(path, method) for path, methods in document()["paths"].items() for method in methods]


@pytest.fixture
def world(db: None) -> World:
    return build_world()


def send(client: Client, method: str, address: str, body: bytes, media_type: str) -> Any:
    """Ask, and undo what came of it."""
    with transaction.atomic():
        response = client.generic(method.upper(), address, body, media_type)
        transaction.set_rollback(True)
    return response


def address_of(path: str, good: Good) -> str:
    return path.format(**good.path)


def well(client: Client, path: str, method: str, good: Good) -> Any:
    """The answer to the good request itself."""
    if method == "get":
        with transaction.atomic():
            return client.get(address_of(path, good), good.query)
    return send(client, method, address_of(path, good), json.dumps(good.body or {}).encode(), "application/json")


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_an_operation_is_answered_well_and_survives_what_is_nearly_right(world: World, path: str, method: str) -> None:
    good, client = good_requests(world.values)[path, method], world.client_for(path)
    answer = well(client, path, method, good)
    assert 200 <= answer.status_code < 300, answer.content
    chance = random.Random(f"{os.environ.get('SEED', '7')} {path} {method}")  # noqa: S311  no secret
    for _ in range(MUTATIONS):
        address, body, media_type = mutation(path, good, chance)
        try:
            spoiled = send(client, method, address, body, media_type)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error} for {method} {address[:500]!r} {body[:2000]!r}") from error
        assert spoiled.status_code < 500 or spoiled.status_code == 501, (address, body)
    assert 200 <= well(client, path, method, good).status_code < 300


def test_every_operation_has_its_good_request(world: World) -> None:
    assert set(good_requests(world.values)) == set(OPERATIONS)
