"""SIGTERM: what has begun is finished, nothing new is taken, and the exit status is 0."""

import asyncio
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

import asyncpg
import httpx
import psutil

from tests.processes import Zxo, api, eventually, free_port, log_in, running, sql, value
from zxo.kit.jobs import enqueue_once

WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name LIKE 'zxo-%'
"""


async def until_it_waits(connection: asyncpg.Connection) -> None:
    """Until ZXO waits for what `connection` has locked."""
    async with asyncio.timeout(60):
        while not await connection.fetchval(WAITING):
            await asyncio.sleep(0.02)


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_request_in_flight_is_answered_and_new_connections_are_refused(
    site: dict[str, str], tmp_path: Path
) -> None:
    async def stop_while_a_check_in_waits(headers: dict[str, str]) -> httpx.Response:
        connection = await asyncpg.connect(site["DATABASE_URL"])
        async with httpx.AsyncClient(base_url=client.base_url, timeout=30) as waiting:
            try:
                async with connection.transaction():
                    await connection.execute("SELECT FROM users FOR UPDATE")
                    answer = asyncio.create_task(waiting.post("/v1/check-in", headers=headers))
                    await until_it_waits(connection)
                    process.send(signal.SIGTERM)
                    while not refuses(client.base_url.port or 0):
                        await asyncio.sleep(0.02)
                    assert not answer.done()
                return await answer
            finally:
                await connection.close()

    with api(tmp_path, **site) as (process, client):
        family = process.family()
        answer = asyncio.run(stop_while_a_check_in_waits(log_in(client, "alice")))
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"]["totalDays"] == 1
        assert process.wait(30) == 0
    assert [member for member in family if member.is_running()] == []
    assert value(site["DATABASE_URL"], "SELECT count(*) FROM check_in_records") == 1


EXPIRED = """
INSERT INTO ended_sessions (session_id, expires_at) VALUES (gen_random_uuid(), '2020-01-01')
"""


def test_a_job_that_runs_is_finished(site: dict[str, str], tmp_path: Path) -> None:
    url = site["DATABASE_URL"]

    async def stop_while_a_job_waits() -> None:
        blocker, other = await asyncpg.connect(url), await asyncpg.connect(url)
        try:
            async with blocker.transaction():
                await blocker.execute("LOCK TABLE ended_sessions IN SHARE MODE")
                await enqueue_once(other, "auth.delete_expired_sessions")
                await until_it_waits(blocker)
                worker.send(signal.SIGTERM)
                await asyncio.sleep(1)
                assert worker.process.poll() is None
        finally:
            await blocker.close()
            await other.close()

    sql(url, EXPIRED)
    with running(tmp_path, "worker", **site) as worker:
        worker.wait_for("worker_started")
        asyncio.run(stop_while_a_job_waits())
        assert worker.wait(40) == 0, worker.said()
    assert "worker_stopped" in worker.said()
    assert value(url, "SELECT count(*) FROM ended_sessions") == 0
    assert value(url, "SELECT count(*) FROM pgqueuer") == 0


def test_a_worker_with_nothing_to_do_ends_at_once(site: dict[str, str], tmp_path: Path) -> None:
    with running(tmp_path, "worker", **site) as worker:
        worker.wait_for("worker_started")
        eventually(lambda: value(site["DATABASE_URL"], "SELECT count(*) FROM pgqueuer_schedules"))
        worker.send(signal.SIGINT)
        assert worker.wait(20) == 0


def forked(process: Zxo) -> bool:
    """Whether it has a child with the same program (and not one that is about to run another)."""
    main = psutil.Process(process.pid)
    with suppress(psutil.NoSuchProcess):
        for child in main.children():
            time.sleep(0.002)
            return bool(child.cmdline() == main.cmdline())
    return False


def test_a_server_process_that_has_only_just_begun_stops_at_once_too(
    site: dict[str, str], tmp_path: Path
) -> None:
    with running(tmp_path, "api", "--port", str(free_port()), **site) as process:
        while not forked(process):
            assert process.process.poll() is None, process.said()
        process.send(signal.SIGTERM)
        assert process.wait(15) == 0, process.said()  # and not after the 25 s of grace
