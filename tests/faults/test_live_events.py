"""Sockets of real processes: events from elsewhere, restarts, kills, and nothing lost meanwhile."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.processes import Zxo, api, eventually, free_port, log_in, running
from zxo.context import Context, open_context
from zxo.modules import notifications
from zxo.modules.notifications import NewNotice
from zxo.settings import DatabaseSettings, Settings, ValkeySettings

pytestmark = pytest.mark.slow

ALICE = 1  # the first user of an empty database


@contextmanager
def realtime(folder: Path, port: int, **site: str) -> Iterator[Zxo]:
    """`zxo realtime` that is ready."""
    with running(folder, "realtime", "--port", str(port), **site) as process:
        eventually(lambda: httpx.get(f"http://127.0.0.1:{port}/ready", timeout=5).is_success)
        yield process


def token_of(site: dict[str, str], folder: Path) -> str:
    """Alice's, from an API process of which nothing else is needed."""
    with api(folder, **site) as (_, client):
        return log_in(client, "alice")["Authorization"].removeprefix("Bearer ")


async def listen(port: int, token: str, after: int | None = None) -> ClientConnection:
    client = await connect(f"ws://127.0.0.1:{port}/v1/ws", open_timeout=30)
    await client.send(json.dumps({"type": "auth", "token": token}))
    if after is not None:
        await client.send(json.dumps({"type": "resume", "after": after}))
    return client


async def event(client: ClientConnection, within: float = 20) -> dict[str, Any]:
    async with asyncio.timeout(within):
        while True:
            message: dict[str, Any] = json.loads(await client.recv())
            if message["id"] is not None:
                return message


@asynccontextmanager
async def writer(site: dict[str, str], settings: Settings) -> AsyncIterator[Context]:
    """A process that only writes: this one."""
    changed = settings.model_copy(
        update={
            "database": DatabaseSettings(url=site["DATABASE_URL"]),
            "valkey": ValkeySettings(url=site["REDIS_URL"]),
        }
    )
    async with open_context(changed, role="writer") as ctx:
        yield ctx


async def tell(ctx: Context, *texts: str) -> None:
    for text in texts:
        await notifications.add(ctx, [NewNotice(ALICE, "notification", text, {"text": text})])


def test_an_event_of_any_process_reaches_the_sockets_of_every_process(
    site: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    async def run(ports: list[int], token: str) -> None:
        clients = [await listen(port, token, after=0) for port in ports]
        async with writer(site, settings) as ctx:
            for text in "abc":
                await tell(ctx, text)
                heard = [await event(client, within=5) for client in clients]
                assert [message["data"] for message in heard] == [{"text": text}] * len(ports)
        for client in clients:
            await client.close()

    port = free_port()
    with ExitStack() as stack:
        _, client = stack.enter_context(api(tmp_path, "--workers", "2", **site))
        limited = stack.enter_context(realtime(tmp_path, port, **site))
        token = log_in(client, "alice")["Authorization"].removeprefix("Bearer ")
        ports = [port, *[client.base_url.port or 0] * 3]
        asyncio.run(run(ports, token))
        serving = max(limited.family(), key=lambda process: process.pid)
        soft, hard = serving.rlimit(psutil.RLIMIT_NOFILE)
        assert soft == hard  # a socket is a file
        only = httpx.get(f"http://127.0.0.1:{port}/v1/users/me", timeout=5)
        assert only.status_code == 404
        metrics = client.get("/metrics").text
        assert 'websocket_events_total{type="notification"} 9.0' in metrics


def test_sigterm_sends_everybody_away_politely(site: dict[str, str], tmp_path: Path) -> None:
    async def run(process: Zxo, port: int, token: str) -> None:
        client, stranger = await listen(port, token), await connect(f"ws://127.0.0.1:{port}/v1/ws")
        assert json.loads(await client.recv())["type"] == "ready"
        process.send(signal.SIGTERM)
        for each in (client, stranger):
            assert json.loads(await each.recv())["data"]["errorCode"] == "going_away"
            with pytest.raises(ConnectionClosed) as ending:
                await each.recv()
            assert ending.value.rcvd is not None
            assert (ending.value.rcvd.code, ending.value.rcvd.reason) == (1001, "going_away")

    token, port = token_of(site, tmp_path), free_port()
    with realtime(tmp_path, port, **site) as process:
        asyncio.run(run(process, port, token))
        assert process.wait(15) == 0, process.said()


def test_at_ctrl_c_in_a_terminal_which_reaches_all_its_processes_it_ends_well(
    site: dict[str, str], tmp_path: Path
) -> None:
    async def run(process: Zxo) -> None:
        client = await listen(port, token)
        assert json.loads(await client.recv())["type"] == "ready"
        os.killpg(process.pid, signal.SIGINT)
        async with asyncio.timeout(10):
            await client.wait_closed()

    token, port = token_of(site, tmp_path), free_port()
    with realtime(tmp_path, port, **site) as process:
        asyncio.run(run(process))
        assert process.wait(15) == 0, process.said()
        assert "Traceback" not in process.said()


def test_nothing_is_lost_while_the_process_is_killed_and_started_again(
    site: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    token, port = token_of(site, tmp_path), free_port()
    seen: list[dict[str, Any]] = []

    async def before(process: Zxo) -> None:
        client = await listen(port, token, after=0)
        async with writer(site, settings) as ctx:
            await tell(ctx, "a", "b")
            seen.extend([await event(client), await event(client)])
            for member in process.family():
                member.kill()
            with pytest.raises(ConnectionClosed):
                await client.recv()
            await tell(ctx, *"cde")  # nobody is there to hear it

    async def afterwards() -> None:
        client = await listen(port, token, after=seen[-1]["id"])
        async with writer(site, settings) as ctx:
            await tell(ctx, "f")
            seen.extend([await event(client) for _ in range(4)])
        await client.close()

    with realtime(tmp_path, port, **site) as process:
        asyncio.run(before(process))
        eventually(lambda: process.process.poll() is not None)
    with realtime(tmp_path, port, **site):
        asyncio.run(afterwards())
    assert [message["data"]["text"] for message in seen] == list("abcdef")
    ids = [message["id"] for message in seen]
    assert ids == sorted(set(ids))


def test_whoever_was_away_goes_on_where_they_were(
    site: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    """Away is away: that it lasts sixty seconds changes nothing that the server remembers."""

    async def run() -> list[str]:
        client = await listen(port, token, after=0)
        async with writer(site, settings) as ctx:
            await tell(ctx, "a")
            last = await event(client)
            client.transport.abort()  # no close frame: the network is gone
            await tell(ctx, *(str(number) for number in range(250)))
            back = await listen(port, token, after=last["id"])
            texts = [(await event(back))["data"]["text"] for _ in range(250)]
            await back.close()
        return texts

    token, port = token_of(site, tmp_path), free_port()
    with realtime(tmp_path, port, **site):
        assert asyncio.run(run()) == [str(number) for number in range(250)]


def test_a_client_that_stops_reading_is_dropped_and_the_others_are_told(
    site: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    async def run() -> None:
        deaf, quick = await listen(port, token, after=0), await listen(port, token, after=0)
        deaf.transport.pause_reading()
        large = "x" * 200_000
        async with writer(site, settings) as ctx:
            for number in range(60):  # more than the kernel's buffers take
                notice = NewNotice(ALICE, "notification", str(number), {"text": large})
                await notifications.add(ctx, [notice])
                assert (await event(quick))["data"]["text"] == large
            eventually_closed = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}")
            async with asyncio.timeout(30), eventually_closed as metrics:
                while 'reason="slow_reader"' not in (await metrics.get("/metrics")).text:
                    await asyncio.sleep(0.5)
            await tell(ctx, "still here")
            assert (await event(quick))["data"]["text"] == "still here"
        deaf.transport.abort()
        await quick.close()

    token, port = token_of(site, tmp_path), free_port()
    with realtime(tmp_path, port, **site):
        asyncio.run(run())
