"""Roles killed while thousands check in: what was acknowledged is there, once, and handled."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.processes import PATIENCE, Zxo, eventually, free_port, running, sql, value, zxo
from zxo import embedded

pytestmark = pytest.mark.slow

USERS = 5_000
AT_ONCE = 32
KILLS = (800, 2_200, 3_600)  # after so many acknowledgements
READY = "Ctrl-C stops everything"


def kill(instance: Zxo, role: str) -> None:
    """The whole process group of the role, wherever it is in its life."""
    with suppress(AssertionError, psutil.NoSuchProcess, ProcessLookupError):
        os.killpg(instance.child(role).pid, signal.SIGKILL)


class Crowd:
    """Everybody checks in once, and tries again until told that it is counted."""

    def __init__(self, url: str, tokens: list[str]) -> None:
        self._url, self._people = url, iter(enumerate(tokens, start=1))
        self.acknowledged: dict[int, int] = {}  # user id: status
        self.failures = 0

    async def check_in(self, on_progress: Callable[[int], None]) -> None:
        async with httpx.AsyncClient(base_url=self._url, timeout=10) as client:
            runners = (self._run(client, on_progress) for _ in range(AT_ONCE))
            await asyncio.gather(*runners)

    async def _run(self, client: httpx.AsyncClient, on_progress: Callable[[int], None]) -> None:
        for user_id, token in self._people:
            self.acknowledged[user_id] = await self._until_counted(client, token)
            on_progress(len(self.acknowledged))

    async def _until_counted(self, client: httpx.AsyncClient, token: str) -> int:
        async with asyncio.timeout(PATIENCE):
            while True:
                with suppress(httpx.TransportError):
                    headers = {"Authorization": f"Bearer {token}"}
                    answer = await client.post("/v1/check-in", headers=headers)
                    if answer.status_code in (200, 409):  # 409: an answer of before was lost
                        return answer.status_code
                    assert answer.status_code == 503, answer.text
                self.failures += 1
                await asyncio.sleep(0.1)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[tuple[Zxo, str, list[str]]]:
    """`zxo up` over people who were seeded, its address, and their tokens."""
    data, tokens = tmp_path / "data", tmp_path / "tokens"
    seeding = ("seed", "--users", str(USERS), "--tokens", str(tokens), "--data-dir", str(data))
    status, _, err = zxo(tmp_path, *seeding)
    assert status == 0, err
    port = free_port()
    with running(tmp_path, "up", "--port", str(port), "--data-dir", str(data)) as process:
        process.wait_for(READY)
        yield process, f"http://127.0.0.1:{port}", tokens.read_text().splitlines()


# Every user whose counters are not those of the records, or whose day was not counted once.
WRONG = """
SELECT id FROM users LEFT JOIN (
    SELECT user_id, count(*) AS days, max(check_in_date) AS last,
           count(*) FILTER (WHERE created_at > now() - interval '1 hour') AS today
    FROM check_in_records GROUP BY user_id
) AS counted ON user_id = id
WHERE (total_days, last_check_in_date, 1) IS DISTINCT FROM (days, last, today)
   OR NOT consecutive_days BETWEEN 1 AND total_days
"""


def test_every_acknowledged_check_in_is_there_and_every_event_was_handled(
    instance: tuple[Zxo, str, list[str]], tmp_path: Path
) -> None:
    process, address, tokens = instance
    crowd = Crowd(address, tokens)
    left = list(KILLS)

    def kill_both_now_and_then(done: int) -> None:
        if left and done >= left[0]:
            left.pop(0)
            kill(process, "api")
            kill(process, "worker")

    with embedded.services(tmp_path / "data") as attached:
        url = attached.database_url
        asyncio.run(crowd.check_in(kill_both_now_and_then))
        assert left == []
        assert crowd.failures > 0, "nothing was interrupted"
        assert len(crowd.acknowledged) == USERS
        assert sql(url, WRONG) == []
        assert value(url, "SELECT last_value FROM outbox_id_seq") >= USERS
        for table in ("outbox", "pgqueuer"):
            eventually(lambda: value(url, f"SELECT count(*) FROM {table}") == 0)  # noqa: B023
        assert value(url, "SELECT count(*) FROM pgqueuer_log WHERE status = 'exception'") == 0
    assert process.said().count("api ended unexpectedly") == len(KILLS)
    assert "Traceback" not in process.said()
    assert process.stop() == 0
