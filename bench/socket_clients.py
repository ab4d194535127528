"""Many idle clients of /v1/ws: `python -m bench.socket_clients PORT TOKENS FOLDER`.

Each has a token of its own and answers pings. What happens is told in files of the folder.
"""

import asyncio
import json
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

CONNECTING = 50  # at a time
OPEN_SECONDS = 120.0
EVENT_SECONDS = 60.0
HANDSHAKE = (
    b"GET /v1/ws HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PONG = json.dumps({"type": "pong"})


class Crowd:
    """What all clients have seen."""

    def __init__(self) -> None:
        self.latencies: list[float] = []  # seconds from before the event was stored
        self.lost = 0
        self.pings = 0
        self.changed = asyncio.Event()

    def heard(self, message: dict[str, Any]) -> None:
        if message["type"] == "ping":
            self.pings += 1
        elif message["id"] is not None:
            # One machine, one monotonic clock.
            self.latencies.append(time.monotonic() - message["data"]["began"])
        self.changed.set()


class Client(asyncio.Protocol):
    """The least of RFC 6455 that a well-behaved server needs: short, whole text frames."""

    def __init__(self, token: str, crowd: Crowd) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._token, self._crowd = token, crowd
        self._buffer = bytearray()
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(HANDSHAKE)

    def connection_lost(self, _: Exception | None) -> None:
        self._crowd.lost += 1
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("closed before it was ready"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            head, end, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not end:
                return
            assert head.startswith(b"HTTP/1.1 101 "), head
            self._buffer, self._upgraded = bytearray(rest), True
            self.say(json.dumps({"type": "auth", "token": self._token}))
        while (text := self._frame()) is not None:
            self._hear(json.loads(text))

    def _frame(self) -> bytes | None:
        """The next whole frame's text; anything but text ends the connection."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, start = buffer[1] & 127, 2
        if length == 126:
            length, start = int.from_bytes(buffer[2:4]), 4
        if len(buffer) < start + length:
            return None
        if buffer[0] != 0x81:
            self._transport.abort()
            return None
        text = bytes(buffer[start : start + length])
        del buffer[: start + length]
        return text

    def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] == "ready":
            self.ready.set_result(None)
        elif message["type"] == "ping":
            self.say(PONG)
        self._crowd.heard(message)

    def say(self, text: str) -> None:
        """A client's frames are masked; with zeros, the text stays as it is."""
        data = text.encode()
        short = len(data) < 126
        size = bytes([0x80 | len(data)]) if short else b"\xfe" + len(data).to_bytes(2)
        self._transport.write(b"\x81" + size + bytes(4) + data)


async def _run(port: int, tokens: list[str], folder: Path) -> None:
    crowd, gate = Crowd(), asyncio.Semaphore(CONNECTING)
    loop = asyncio.get_running_loop()

    async def connect(token: str) -> None:
        async with gate:
            _, client = await loop.create_connection(
                lambda: Client(token, crowd), "127.0.0.1", port
            )
            await client.ready

    began = time.monotonic()
    async with asyncio.timeout(OPEN_SECONDS):
        failed = await asyncio.gather(*map(connect, tokens), return_exceptions=True)
    opened = sum(error is None for error in failed)
    _tell(folder / "opened", {"opened": opened, "seconds": time.monotonic() - began})
    with suppress(TimeoutError):
        async with asyncio.timeout(EVENT_SECONDS):
            while len(crowd.latencies) < opened:
                crowd.changed.clear()
                await crowd.changed.wait()
    await asyncio.sleep(0.5)  # nobody hears it twice
    found = {"latencies": sorted(crowd.latencies), "lost": crowd.lost, "pings": crowd.pings}
    _tell(folder / "heard", found)


def _tell(file: Path, found: dict[str, Any]) -> None:
    """Whole or not at all: somebody waits for it."""
    beside = file.with_suffix(".part")
    beside.write_text(json.dumps(found))
    beside.replace(file)


def main() -> None:
    """Connect everybody, and wait for one event."""
    port, tokens, folder = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(_run(port, tokens.read_text().split(), folder))


if __name__ == "__main__":
    main()
