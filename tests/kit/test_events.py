"""Answers that are sent while they are made."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from zxo.kit.events import BEGUN, EventStream, event
from zxo.kit.tasks import see_through


class Listener:
    """A client of a stream: what it got, and how it goes away."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.gone = asyncio.Event()
        self.refuses = False

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if self.refuses:
            raise OSError("the connection is closed")
        self.got.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.got)

    async def listen_to(self, stream: EventStream) -> None:
        await stream({"type": "http", "asgi": {"spec_version": "2.3"}}, self.receive, self.send)


def test_an_event_is_one_line_of_json() -> None:
    assert event("delta", {"text": "一\n二"}) == (
        'event: delta\ndata: {"text":"一\\n二"}\n\n'.encode()
    )


async def test_pieces_are_sent_as_they_come() -> None:
    listener, may_go_on = Listener(), asyncio.Event()

    async def events() -> AsyncGenerator[bytes, None]:
        yield BEGUN
        yield event("delta", 1)
        await may_go_on.wait()
        yield event("done", 2)

    listening = asyncio.create_task(listener.listen_to(await EventStream.of(events())))
    async with asyncio.timeout(5):
        while event("delta", 1) not in listener.body:
            await asyncio.sleep(0)
        assert event("done", 2) not in listener.body
        may_go_on.set()
        await listening
    assert listener.body == BEGUN + event("delta", 1) + event("done", 2)
    assert listener.got[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


@pytest.mark.parametrize("refuses", [False, True])
async def test_what_makes_the_events_is_closed_when_the_client_goes_away(refuses: bool) -> None:
    listener, settled = Listener(), asyncio.Event()
    listener.refuses = refuses  # already the beginning

    async def settle() -> None:
        await asyncio.sleep(0.01)
        settled.set()

    async def events() -> AsyncGenerator[bytes, None]:
        try:
            yield BEGUN
            await asyncio.Event().wait()
        finally:
            await see_through(settle())

    stream = await EventStream.of(events())
    listening = asyncio.create_task(listener.listen_to(stream))
    await asyncio.sleep(0.01)
    listener.gone.set()
    async with asyncio.timeout(5):
        await asyncio.wait([listening])
    assert settled.is_set()


async def test_a_failure_before_the_beginning_is_raised_to_whoever_asks() -> None:
    async def events() -> AsyncGenerator[bytes, None]:
        raise LookupError("nothing to tell")
        yield BEGUN

    with pytest.raises(LookupError):
        await EventStream.of(events())
