"""A client of /v1/ws, spoken to as the server speaks to the application (ASGI)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from tests.factories import Visitor
from zxo import api
from zxo.context import Context
from zxo.modules import notifications
from zxo.modules.notifications import NewNotice

PATIENCE = 20.0


class Client:
    """One socket. `reading` is cleared where the client should stop reading."""

    QUERY = b""

    def __init__(self, app: FastAPI, path: str = "/v1/ws") -> None:
        self.accepted = False
        self.received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.closed: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        self.reading = asyncio.Event()
        self.reading.set()
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        wrapped = api.wrap(app, app.state.context.settings)
        self.task = asyncio.create_task(
            wrapped(self._scope(path), self._incoming.get, self._take)  # type: ignore[arg-type]
        )
        self._incoming.put_nowait({"type": "websocket.connect"})

    def _scope(self, path: str) -> dict[str, Any]:
        return {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "query_string": self.QUERY,
            "root_path": "",
            "headers": [],
            "subprotocols": [],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "state": {},
        }

    async def _take(self, message: dict[str, Any]) -> None:
        """What the application sends. As with a real server, it waits for a client to read."""
        await self.reading.wait()
        self.accepted = self.accepted or message["type"] == "websocket.accept"
        if message["type"] == "websocket.send":
            self.received.put_nowait(json.loads(message["text"]))
        elif message["type"] == "websocket.close" and not self.closed.done():
            self.closed.set_result((message["code"], message["reason"]))

    def say(self, **message: Any) -> None:
        self.say_text(json.dumps(message))

    def say_text(self, text: str) -> None:
        self._incoming.put_nowait({"type": "websocket.receive", "text": text})

    def say_bytes(self, data: bytes) -> None:
        self._incoming.put_nowait({"type": "websocket.receive", "bytes": data})

    async def next(self, within: float = PATIENCE) -> dict[str, Any]:
        """What comes next, its form checked."""
        message = await asyncio.wait_for(self.received.get(), within)
        assert set(message) == {"id", "type", "data", "at"}
        assert message["at"].endswith("Z")
        return message

    async def event(self, within: float = PATIENCE) -> dict[str, Any]:
        """The next message that is an event, and nothing about the socket itself."""
        while True:
            if (message := await self.next(within))["id"] is not None:
                return message

    async def ids(self, count: int) -> list[int]:
        """Those of the next `count` events."""
        return [(await self.event())["id"] for _ in range(count)]

    async def quiet(self, seconds: float = 0.3) -> bool:
        """Whether nothing comes for a while."""
        await asyncio.sleep(seconds)
        return self.received.empty()

    async def authenticate(self, token: str | None) -> dict[str, Any]:
        self.say(type="auth", token=token)
        ready = await self.next()
        assert ready["type"] == "ready", ready
        return ready

    async def resume(self, after: int) -> int:
        """Where the server says that it goes on; nothing may come before it says so."""
        self.say(type="resume", after=after)
        message = await self.next()
        assert (message["type"], message["id"]) == ("resumed", None)
        return int(message["data"]["after"])

    async def end(self, within: float = PATIENCE) -> tuple[int, str]:
        """The code it was closed with, and the errorCode of the last message."""
        code, reason = await asyncio.wait_for(asyncio.shield(self.closed), within)
        await asyncio.wait_for(asyncio.shield(self.task), within)
        last = {}
        while not self.received.empty():
            last = self.received.get_nowait()
        assert last["type"] == "error"
        assert not last["data"]["message"].isascii()
        assert last["data"]["errorCode"] == reason
        return code, reason

    async def leave(self) -> None:
        """Hang up."""
        self.reading.set()
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1005})
        await asyncio.wait_for(self.task, PATIENCE)


@asynccontextmanager
async def connected(app: FastAPI, person: Visitor | None = None) -> AsyncIterator[Client]:
    """A socket; of `person`, where one is given."""
    client = Client(app)
    try:
        if person is not None:
            await client.authenticate(person.token)
        yield client
    finally:
        await client.leave()


async def tell(ctx: Context, person: Visitor, *texts: str, kind: str = "notification") -> None:
    """Store one notice a text, each in a transaction of its own."""
    for text in texts:
        notice = NewNotice(person.user["id"], kind, text, {"text": text})
        await notifications.add(ctx, [notice])
