"""PostgreSQL goes and comes back: refused politely meanwhile, and nothing needs a restart."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.processes import SECRET, Server, api, eventually, log_in, running, value
from zxo import embedded, migrations
from zxo.kit.jobs import enqueue_once

pytestmark = pytest.mark.slow


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "postgres", "postgres")
    yield server
    server.stop()


def test_while_it_is_away_503_and_within_5_seconds_of_its_return_everything_works(
    postgres: Server, services: embedded.Endpoints, tmp_path: Path
) -> None:
    site = {
        "DATABASE_URL": postgres.url,
        "REDIS_URL": services.redis_url,
        "JWT_SECRET": SECRET,
    }
    migrations.upgrade(postgres.url)
    with (
        api(tmp_path, **site) as (process, client),
        running(tmp_path, "worker", **site) as worker,
    ):
        worker.wait_for("worker_started")
        alice = log_in(client, "alice")
        for how in (postgres.stop, postgres.kill):
            eventually(lambda: value(postgres.url, LISTENING) > 0)
            before = jobs_done(postgres.url)
            how()
            assert_refuses_politely(client, alice)
            postgres.start()
            back = time.monotonic()
            asyncio.run(enqueue(postgres.url))
            eventually(lambda: client.get("/v1/users/me", headers=alice).is_success)
            took = time.monotonic() - back
            assert took < 10, f"{took:.1f} s"
            # Soon, and not only when the queue happens to look again half a minute later.
            eventually(lambda: jobs_done(postgres.url) > before, within=20)  # noqa: B023
        assert client.post("/v1/check-in", headers=alice).is_success
        eventually(lambda: value(postgres.url, "SELECT count(*) FROM outbox") == 0)
        assert process.process.poll() is None
        assert worker.process.poll() is None


LISTENING = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"


def jobs_done(url: str) -> int:
    return int(value(url, "SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'"))


async def enqueue(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await enqueue_once(connection, "housekeeping.forget_idempotent_answers")
    finally:
        await connection.close()


def assert_refuses_politely(client: httpx.Client, alice: dict[str, str]) -> None:
    for method, path in (("GET", "/v1/users/me/stats"), ("POST", "/v1/check-in")):
        answer = client.request(method, path, headers=alice)
        assert answer.status_code == 503, answer.text
        assert answer.json()["code"] == 503
        assert answer.json()["errorCode"]
        assert int(answer.headers["retry-after"]) >= 1
    ready = client.get("/ready")
    assert ready.status_code == 503
    assert ready.json()["checks"]["database"].startswith("failed")
    assert client.get("/health").status_code == 200


def test_a_role_may_start_before_its_database(
    postgres: Server, services: embedded.Endpoints, tmp_path: Path
) -> None:
    site = {
        "DATABASE_URL": postgres.url,
        "REDIS_URL": services.redis_url,
        "JWT_SECRET": SECRET,
    }
    migrations.upgrade(postgres.url)
    postgres.stop()
    with running(tmp_path, "worker", **site) as worker:
        worker.wait_for("worker_started")
        postgres.start()
        asyncio.run(enqueue(postgres.url))
        eventually(lambda: jobs_done(postgres.url) > 0)
