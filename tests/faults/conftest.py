"""Sites for tests that break things: a database a test, and the variables that lead to it."""

import itertools
import os
from collections.abc import Iterator

import pytest

from tests.processes import SECRET, sql
from zxo import embedded, migrations

_numbers = itertools.count()


@pytest.fixture
def site(services: embedded.Endpoints) -> Iterator[dict[str, str]]:
    """The variables that lead to a migrated database of this test alone."""
    name = f"faults_{os.getpid()}_{next(_numbers)}"
    sql(services.database_url, f"CREATE DATABASE {name}")
    variables = {
        "DATABASE_URL": services.database_url.replace("/zxo?", f"/{name}?"),
        "REDIS_URL": services.redis_url,
        "JWT_SECRET": SECRET,
        # The ceilings stay in the way of every request, but are not what these tests are about.
        "LIMIT_USER": "1000000/1m",
        "LIMIT_ADDRESS": "1000000/1m",
    }
    migrations.upgrade(variables["DATABASE_URL"])
    yield variables
    sql(services.database_url, f"DROP DATABASE {name} WITH (FORCE)")
