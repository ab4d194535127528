"""`python -m bench.coach`: what the service adds to a model's own time. See README.md."""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import quantiles
from typing import Annotated, Any

import asyncpg
import httpx
import typer
from rich.console import Console

from bench.load import Address
from bench.model_provider import MARK
from bench.servers import Child, ServerError, Site, cores
from zxo.embedded import EmbeddedError, Endpoints, services

# Nothing that the coach would answer by itself.
QUESTION = "我妹妹下周六订婚，家里会来四十个亲戚，我想请你帮我想想怎么跟大家说这件事 {how}"
COMMON = "戒烟后身体多久能恢复？"
PEOPLE = 400
CALLS_A_PERSON = 90  # a day has a hundred
NEWCOMERS = 80  # streams of one piece
STAGGER_SECONDS = 0.02  # between two that begin

OVERHEAD_MS, PASSED_ON_MS, BUILT_IN_MS = 15.0, 10.0, 20.0  # wanted: of 99 in 100

screen = Console(highlight=False)
progress = Console(stderr=True, highlight=False)


def main(
    calls: Annotated[int, typer.Option(help="One after the other, of each kind.", min=20)] = 500,
    streams: Annotated[int, typer.Option(help="At the same time.", min=2)] = 200,
    seconds: Annotated[int, typer.Option(help="Of each stream.", min=2)] = 15,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures.")] = None,
) -> None:
    """Ask a provider directly, and through the coach; exit status 1 where anything failed."""
    chosen = cores() or (None, None)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zxo-bench-")))
        endpoints = stack.enter_context(services(folder / "data", say=say))
        site = Site(folder, endpoints, stack)
        site.run("zxo", "seed", "--users", str(PEOPLE), "--tokens", "tokens")
        asyncio.run(_give_everybody_the_coach(endpoints))
        provider, _ = site.listen("bench.model_provider", core=chosen[1])
        models = {
            "AI_PROVIDERS": "custom",
            "AI_CUSTOM_MODEL": "bench",
            "AI_CUSTOM_BASE_URL": f"http://{provider.host}:{provider.port}/v1",
        }
        coach, server = site.listen("zxo", "api", "--port", core=chosen[0], **models)
        tokens = (folder / "tokens").read_text().split()
        found = asyncio.run(_measure(provider, coach, tokens, calls, streams, seconds))
        found["resident_mb"] = _resident(server)
    _show(found)
    if json_file:
        json_file.write_text(json.dumps(found, indent=2) + "\n")
    raise typer.Exit(1 if found["errors"] else 0)


def say(line: str) -> None:
    progress.print(f"[dim]bench[/] {line}", soft_wrap=True)


def _resident(server: Child) -> float:
    server.check()
    return round(server.memory_mb()[0], 1)


async def _give_everybody_the_coach(endpoints: Endpoints) -> None:
    connection = await asyncpg.connect(endpoints.database_url)
    await connection.execute(
        "UPDATE users SET member_type = 'ai', ai_activated_at = now(),"
        " member_expiry_at = now() + interval '1 year'"
    )
    await connection.close()


async def _measure(
    provider: Address,
    coach: Address,
    tokens: Sequence[str],
    calls: int,
    streams: int,
    seconds: int,
) -> dict[str, Any]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=60, limits=limits) as client:
        clients = _Clients(client, provider, coach, tokens)
        await clients.chat(0, COMMON)  # warm
        await clients.chat(0, QUESTION.format(how="1 0"))
        say(f"{calls} calls of each kind, in turn")
        alone, through, built_in = [], [], []
        for number in range(calls):
            person = number // (CALLS_A_PERSON // 2)
            alone.append(await _timed(clients.directly()))
            through.append(await _timed(clients.chat(person, QUESTION.format(how="1 0"))))
            built_in.append(await _timed(clients.chat(person, COMMON)))
        say(f"{streams} streams at the same time, ten pieces a second each")
        alone_ms = [(await clients.stream(PEOPLE - 1, "1 0"))[0] for _ in range(NEWCOMERS)]
        heard, newcomers = await _crowd(clients, streams, seconds)
    return {
        "provider_alone_ms": _spread(alone),
        "chat_ms": _spread(through),
        "overhead_ms": _spread([b - a for a, b in zip(sorted(alone), sorted(through))]),  # noqa: B905
        "built_in_ms": _spread(built_in),
        "first_piece_ms": _spread(alone_ms),
        "first_piece_beside_the_others_ms": _spread(newcomers),
        "pieces_of_the_others_ms": _spread([one for delays in heard for one in delays]),
        "streams": len(heard),
        "errors": clients.errors + sum(len(delays) != seconds * 10 for delays in heard),
    }


async def _crowd(
    clients: "_Clients", streams: int, seconds: int
) -> tuple[list[list[float]], list[float]]:
    """Delays of streams that run for `seconds`, and of first pieces to who comes meanwhile."""
    running = []
    for number in range(streams):
        how = f"{seconds * 10} 100"
        running.append(asyncio.create_task(clients.stream(number % (PEOPLE - 2), how)))
        await asyncio.sleep(STAGGER_SECONDS)
    newcomers = [(await clients.stream(PEOPLE - 2, "1 0"))[0] for _ in range(NEWCOMERS)]
    return await asyncio.gather(*running), newcomers


class _Clients:
    """Who asks, and how many answers were none."""

    def __init__(
        self, client: httpx.AsyncClient, provider: Address, coach: Address, tokens: Sequence[str]
    ) -> None:
        self._client, self._tokens = client, tokens
        self._provider = f"http://{provider.host}:{provider.port}/v1/chat/completions"
        self._coach = f"http://{coach.host}:{coach.port}/v1/ai/chat"
        self.errors = 0

    async def directly(self) -> None:
        """What the coach does for one answer, without the coach."""
        body = {"messages": [{"role": "user", "content": QUESTION.format(how="1 0")}]}
        answer = await self._client.post(self._provider, json=body)
        self.errors += answer.status_code != 200

    async def chat(self, person: int, message: str) -> None:
        answer = await self._client.post(
            self._coach, json={"message": message}, headers=self._headers(person)
        )
        self.errors += answer.status_code != 200

    async def stream(self, person: int, how: str) -> list[float]:
        """Milliseconds from when the provider sent a piece until it was read here, of each."""
        delays = []
        asked = self._client.stream(
            "POST",
            f"{self._coach}/stream",
            json={"message": QUESTION.format(how=how)},
            headers=self._headers(person),
        )
        async with asked as answer:
            async for line in answer.aiter_lines():
                now = time.monotonic_ns()
                if line.startswith('data: {"text"'):
                    sent = json.loads(line.removeprefix("data: "))["text"].split(MARK)
                    delays += [(now - int(instant)) / 1e6 for instant in sent if instant]
        return delays

    def _headers(self, person: int) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._tokens[person]}"}


async def _timed(call: Any) -> float:
    began = time.perf_counter()
    await call
    return (time.perf_counter() - began) * 1000


def _spread(milliseconds: Sequence[float]) -> dict[str, float]:
    cut = quantiles(milliseconds, n=100)
    return {"median": round(cut[49], 2), "p99": round(cut[98], 2)}


def _show(found: dict[str, Any]) -> None:
    wanted = {
        "overhead_ms": OVERHEAD_MS,
        "built_in_ms": BUILT_IN_MS,
        "first_piece_ms": PASSED_ON_MS,
        "first_piece_beside_the_others_ms": PASSED_ON_MS,
    }
    for name, value in found.items():
        limit = f" (wanted: p99 {wanted[name]:g})" if name in wanted else ""
        screen.print(f"{name.replace('_', ' ')}: {value}{limit}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except (EmbeddedError, ServerError) as error:
        progress.print(f"[bold red]bench[/] {error}", soft_wrap=True)
        sys.exit(1)
