"""Whoever sends slowly on purpose does not hold a connection for ever."""

import asyncio
import json

import pytest
from starlette.types import Message, Receive, Scope, Send

from tests.factories import FrozenClock
from tests.kit.test_edge import HEADERS, scope_of
from zxo.kit import edge
from zxo.kit.edge import Edge


async def test_a_body_that_does_not_arrive_is_408(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server would wait for ever: a few thousand of those, and nobody else gets in."""
    monkeypatch.setattr(edge, "BODY_SECONDS", 0.05)
    sent: list[Message] = []

    async def never(_: Scope, __: Receive, ___: Send) -> None:
        raise AssertionError("was asked")

    async def receive() -> Message:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    async with asyncio.timeout(5):
        await Edge(never, clock, 1_000_000, HEADERS)(scope_of(), receive, send)
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["errorCode"] == "request_too_slow"
