"""A load generator: keep-alive HTTP/1.1 connections, each with one request in flight.

A closed loop, as with wrk: the next request of a connection leaves when the answer to the one
before has come whole. Requests are ready bytes, and of an answer only its status and length are
read, so that one core of ours outruns one core of the server.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import uvloop

CONNECTIONS = 32
ANSWER_SECONDS = 10.0  # an answer that takes longer than this after the end counts as none

_LENGTH = re.compile(rb"\r\ncontent-length:[ ]*(\d+)\r\n", re.IGNORECASE)


class Address(NamedTuple):
    host: str
    port: int


@dataclass
class Load:
    """What one run did. Seconds; `errors` counts every answer but a 2xx by what it was."""

    seconds: float = 0.0
    answers: int = 0
    latencies: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def per_second(self) -> float:
        return self.answers / self.seconds if self.seconds else 0.0

    def percentile_ms(self, percent: float) -> float:
        """The latency that `percent` of the answers did not exceed."""
        ordered = sorted(self.latencies)
        if not ordered:
            return 0.0
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] * 1000


def drive(
    address: Address,
    requests: Iterable[bytes],
    seconds: float,
    connections: int = CONNECTIONS,
) -> Load:
    """Send `requests`, each once, for `seconds` or until there are no more."""
    return uvloop.run(_drive(address, iter(requests), seconds, connections))


async def _drive(
    address: Address, requests: Iterator[bytes], seconds: float, connections: int
) -> Load:
    loop = asyncio.get_running_loop()
    load = Load()
    lines: list[_Connection] = []
    for _ in range(connections):
        _, line = await loop.create_connection(lambda: _Connection(load, requests), *address)
        lines.append(line)
    began = time.perf_counter()
    for line in lines:
        line.begin(began + seconds)
    _, late = await asyncio.wait([line.done for line in lines], timeout=seconds + ANSWER_SECONDS)
    if late:
        load.errors["no answer"] += len(late)
    load.seconds = max(0.0, *(line.answered_at - began for line in lines))
    for line in lines:
        line.close()
    return load


class _Connection(asyncio.Protocol):
    def __init__(self, load: Load, requests: Iterator[bytes]) -> None:
        self._load = load
        self._requests = requests
        self._buffer = b""
        self._sent_at = self._until = self.answered_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def begin(self, until: float) -> None:
        """Send one request after another, and none after `until` (time.perf_counter())."""
        self._until = until
        self._send(time.perf_counter())

    def close(self) -> None:
        self._finish()
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            self._buffer = data
            return
        length = _LENGTH.search(data, 0, end)
        if length is None:
            self._fail("answer without a length")
        elif len(data) < end + int(length[1]):
            self._buffer = data
        else:
            self._buffer = b""
            self._account(data[9:12])

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.done():
            self._fail("connection closed")

    def _account(self, status: bytes) -> None:
        now = self.answered_at = time.perf_counter()
        self._load.answers += 1
        self._load.latencies.append(now - self._sent_at)
        if status[:1] != b"2":
            self._load.errors[status.decode()] += 1
        self._send(now)

    def _send(self, now: float) -> None:
        request = next(self._requests, None) if now < self._until else None
        if request is None:
            self._finish()
            return
        self._sent_at = now
        self._transport.write(request)

    def _fail(self, reason: str) -> None:
        self._load.errors[reason] += 1
        self.close()

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
