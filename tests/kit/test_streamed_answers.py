"""Idempotency-Key and answers that come in pieces, as a language model's do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.responses import StreamingResponse

from tests.conftest import client_of, make_settings, running
from tests.factories import FrozenClock, refusal
from zxo import api, embedded
from zxo.context import Context
from zxo.http import router
from zxo.kit.idempotency import LONGEST_STREAM

KEY = {"Idempotency-Key": "k"}
EVENTS = "text/event-stream"


class Source:
    """What the route streams: pieces that a test puts in, None for the end, an error to fail."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.begun = 0

    def put(self, *pieces: bytes | Exception | None) -> None:
        for piece in pieces:
            self.pieces.put_nowait(piece)

    async def stream(self, status: int) -> StreamingResponse:
        self.begun += 1
        return StreamingResponse(self._all(), status, media_type=EVENTS)

    async def _all(self) -> AsyncIterator[bytes]:
        while (piece := await self.pieces.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            yield piece


class Call:
    """One request under a key, to see the pieces by; httpx would wait for the last of them."""

    def __init__(self, app: FastAPI, version: str = "2.4") -> None:
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.gone = asyncio.Event()
        self._asked = False
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": version},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/v1/stream",
            "raw_path": b"/v1/stream",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"zxo.test"), (b"idempotency-key", b"k")],
            "client": ("127.0.0.1", 1),
            "server": ("zxo.test", 80),
            "state": {},
        }
        settings = app.state.context.settings
        self.done = asyncio.create_task(self._run(api.wrap(app, settings)))

    async def _run(self, wrapped: Any) -> None:
        try:
            await wrapped(self._scope, self._receive, self._send)
        except Exception:  # what a server would write into its log: the test looks at the key
            return

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if self.gone.is_set():
            raise OSError("nobody is there")
        self.heard.put_nowait(message)

    async def piece(self) -> bytes:
        while True:
            message = await asyncio.wait_for(self.heard.get(), 5)
            if message["type"] == "http.response.body":
                return bytes(message["body"])


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
async def streaming(
    ctx: Context, services: embedded.Endpoints, clock: FrozenClock, source: Source
) -> AsyncIterator[FastAPI]:
    """The application, with a route that streams."""
    routes = router("试验")

    @routes.post("/stream")
    async def stream(request: Request) -> StreamingResponse:
        return await source.stream(int(request.query_params.get("status", "200")))

    async with running(make_settings(services), clock) as app:
        app.include_router(routes)
        yield app


async def keys(ctx: Context) -> list[int | None]:
    """The states of the keys that there are; None: claimed."""
    return [row[0] for row in await ctx.db.fetch("SELECT status FROM idempotency_keys")]


async def test_pieces_come_as_they_come_and_the_whole_is_replayed_in_one(
    streaming: FastAPI, source: Source, ctx: Context
) -> None:
    call = Call(streaming)
    for piece in (b"data: a\n\n", b"data: b\n\n"):
        source.put(piece)
        assert await call.piece() == piece
    assert await keys(ctx) == [None]
    async with client_of(streaming) as client:
        twin = await client.post("/v1/stream", headers=KEY)
        assert refusal(twin, 409) == "idempotency_in_progress"
        source.put(None)
        assert await call.piece() == b""
        again = await client.post("/v1/stream", headers=KEY)
    assert again.content == b"data: a\n\ndata: b\n\n"
    assert again.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert again.headers["idempotent-replayed"] == "true"
    assert source.begun == 1
    await call.done


def fails(call: Call, source: Source) -> None:
    source.put(RuntimeError("it broke off"))


def goes_away(call: Call, source: Source) -> None:
    call.gone.set()
    source.put(b"for nobody")


def is_cancelled(call: Call, source: Source) -> None:
    call.done.cancel()


@pytest.mark.parametrize("version", ["2.3", "2.4"])  # starlette notices who goes by each
@pytest.mark.parametrize("happens", [fails, goes_away, is_cancelled])
async def test_a_stream_that_breaks_off_releases_the_key(
    streaming: FastAPI,
    source: Source,
    ctx: Context,
    happens: Callable[[Call, Source], None],
    version: str,
) -> None:
    call = Call(streaming, version)
    source.put(b"first")
    assert await call.piece() == b"first"
    assert await keys(ctx) == [None]
    happens(call, source)
    await asyncio.wait([call.done], timeout=5)
    assert call.done.done()
    assert await keys(ctx) == []


@pytest.mark.parametrize(("length", "kept"), [(LONGEST_STREAM, [200]), (LONGEST_STREAM + 1, [])])
async def test_a_stream_is_kept_up_to_its_bound_and_passed_on_beyond(
    streaming: FastAPI, source: Source, ctx: Context, length: int, kept: list[int]
) -> None:
    source.put(b"x" * (length - 1), b"y", None)
    async with client_of(streaming) as client:
        answer = await client.post("/v1/stream", headers=KEY)
    assert len(answer.content) == length
    assert await keys(ctx) == kept


async def test_a_stream_that_says_try_again_releases_the_key(
    streaming: FastAPI, source: Source, ctx: Context
) -> None:
    source.put(b"later", None)
    async with client_of(streaming) as client:
        answer = await client.post("/v1/stream?status=503", headers=KEY)
    assert (answer.status_code, answer.content) == (503, b"later")
    assert await keys(ctx) == []


async def test_another_query_under_the_same_key_is_another_request(
    streaming: FastAPI, source: Source
) -> None:
    source.put(b"one", None)
    async with client_of(streaming) as client:
        first = await client.post("/v1/stream?status=201", headers=KEY)
        other = await client.post("/v1/stream", headers=KEY)
        again = await client.post("/v1/stream?status=201", headers=KEY)
    assert refusal(other, 409) == "idempotency_key_reused"
    assert (again.status_code, again.content) == (201, first.content)
