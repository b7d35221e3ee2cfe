"""The company that the benchmarks fill a database with: its rows fit the tables of today, and the service answers from them."""

import shutil
from collections.abc import Iterator

import psycopg
import pytest

from benchmarks.dataset import Company, fill
from tests.live.service import Service, temporary_directory

pytestmark = [pytest.mark.live, pytest.mark.postgresql]
COMPANY = Company(users=20, groups=10, projects=40, agents=5)


@pytest.fixture
def service() -> Iterator[Service]:
    directory = temporary_directory()
    running = Service(directory, variables={"LOG_LEVEL": "WARNING"})
    running.migrate()
    yield running
    running.stop()
    shutil.rmtree(directory, ignore_errors=True)


def test_a_company_fits_the_tables_and_its_people_pull(service: Service) -> None:
    url = service.environment["DATABASE_URL"].replace("postgres://", "postgresql://")
    fill(url, COMPANY)
    service.start()
    for user in (1, 2, 3):
        with psycopg.connect(url) as connection:
            project = COMPANY.project_of(user)
            row = connection.execute("SELECT path FROM repositories_route WHERE project_id = %s", [project]).fetchone()
        assert row is not None
        pull = {"key_id": COMPANY.key_of(user), "project": row[0], "action": "git-upload-pack", "changes": "_any", "protocol": "ssh"}
        answer = service.ask("allowed", pull)
        assert (answer.status, answer.body["gl_repository"]) == (200, f"project-{project}")
