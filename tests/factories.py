"""A clock that stands still, and people who use the application over HTTP."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx

from zxo.context import Context
from zxo.kit.clock import Clock

START = datetime(2025, 12, 1, 1, 0, tzinfo=UTC)  # 09:00 in Shanghai


class FrozenClock(Clock):
    """Moves only when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.reset()

    def reset(self) -> None:
        self._now = START

    def now(self) -> datetime:
        return self._now

    def set(self, instant: datetime | str) -> None:
        """An instant with an offset, or its ISO text."""
        if isinstance(instant, str):
            instant = datetime.fromisoformat(instant)
        assert instant.tzinfo is not None
        self._now = instant.astimezone(UTC)

    def advance(self, **amount: float) -> None:
        self._now += timedelta(**amount)

    def today(self) -> date:
        """The date in Shanghai."""
        return (self._now + timedelta(hours=8)).date()


class Visitor:
    """Calls the API; with a token once logged in. Paths are those under /v1."""

    def __init__(self, client: httpx.AsyncClient, token: str | None = None) -> None:
        self.client = client
        self.token = token
        self.user: dict[str, Any] = {}

    async def log_in(self, name: str, **body: Any) -> "Visitor":
        """The person with the development code dev:NAME, as somebody new to call with."""
        answer = await self.post("/auth/wechat/login", code=f"dev:{name}", **body)
        assert answer.status_code == 200, answer.text
        person = Visitor(self.client, data(answer)["token"])
        person.user = data(answer)["user"]
        return person

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.request("GET", path, params=query)

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return await self.request("POST", path, json=body)

    async def put(self, path: str, **body: Any) -> httpx.Response:
        return await self.request("PUT", path, json=body)

    async def delete(self, path: str) -> httpx.Response:
        return await self.request("DELETE", path)

    async def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = dict(arguments.pop("headers", {}))
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        return await self.client.request(method, f"/v1{path}", headers=headers, **arguments)


def data(answer: httpx.Response, status: int = 200) -> Any:
    """What a successful answer holds, its envelope checked."""
    envelope = answer.json()
    assert answer.status_code == status, answer.text
    assert set(envelope) == {"code", "message", "data", "timestamp"}
    assert envelope["code"] == status
    assert answer.headers["x-request-id"]
    return envelope["data"]


def refusal(answer: httpx.Response, status: int) -> str:
    """The errorCode of a refusal, its envelope checked."""
    envelope = answer.json()
    assert answer.status_code == status, answer.text
    required = {"code", "message", "error", "errorCode", "requestId", "timestamp"}
    assert required <= set(envelope) <= required | {"data"}
    assert envelope["code"] == status
    assert envelope["requestId"] == answer.headers["x-request-id"]
    return str(envelope["errorCode"])


async def somebody_waits_for_a_lock(ctx: Context) -> None:
    """Return when a statement of this test waits for a row that another transaction has changed."""
    waiting = """
        SELECT EXISTS (SELECT FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock')
    """
    async with asyncio.timeout(10):
        while not await ctx.db.fetchval(waiting):
            await asyncio.sleep(0.01)
