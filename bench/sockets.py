"""`python -m bench.sockets`: idle WebSockets in one process, one event to all. See README.md."""

import asyncio
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import quantiles
from typing import Annotated, Any

import psutil  # type: ignore[import-untyped,unused-ignore] # it ships no types
import typer
from rich.console import Console
from rich.table import Table

from bench.servers import Child, ServerError, Site, cores
from zxo.context import open_context
from zxo.embedded import EmbeddedError, Endpoints, services
from zxo.modules import notifications
from zxo.modules.notifications import NewNotice
from zxo.settings import DatabaseSettings, KeySettings, Settings, TokenSettings, ValkeySettings

WANTED_SECONDS = 2.0  # for the last of them
PATIENCE_SECONDS = 180.0
SETTLE_SECONDS = 2.0

screen = Console(highlight=False)
progress = Console(stderr=True, highlight=False)


def main(
    sockets: Annotated[int, typer.Option(help="Each of another person.", min=10)] = 5_000,
    idle: Annotated[float, typer.Option(help="Seconds; a heartbeat comes every 25.")] = 30.0,
    role: Annotated[str, typer.Option(help="api or realtime.")] = "api",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures.")] = None,
) -> None:
    """Open sockets in one process, tell everybody something; exit status 1 on any error."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zxo-bench-")))
        endpoints = stack.enter_context(services(folder / "data", say=say))
        found = _measure(Site(folder, endpoints, stack), endpoints, sockets, idle, role)
    _show(found)
    if json_file:
        json_file.write_text(json.dumps(found, indent=2) + "\n")
    complete = found["opened"] == found["heard"] == sockets and not found["lost"]
    raise typer.Exit(0 if complete and found["last"] <= WANTED_SECONDS else 1)


def say(line: str) -> None:
    progress.print(f"[dim]bench[/] {line}", soft_wrap=True)


def _measure(
    site: Site, endpoints: Endpoints, sockets: int, idle: float, role: str
) -> dict[str, Any]:
    chosen = cores() or (None, None)
    tokens = site.folder / "tokens"
    site.run("zxo", "seed", "--users", str(sockets), "--tokens", str(tokens))
    address, server = site.listen("zxo", role, "--port", core=chosen[0])
    time.sleep(SETTLE_SECONDS)
    before = _resident(server)
    clients = ("bench.socket_clients", str(address.port), str(tokens), str(site.folder))
    crowd = site.start(*clients, core=chosen[1])
    say(f"opening {sockets:,} sockets")
    opened = _told(site.folder / "opened", crowd)
    if opened["opened"] < sockets:
        raise ServerError(f"only {opened['opened']} sockets could be opened")
    time.sleep(SETTLE_SECONDS)
    busy, began = _cpu_seconds(server), time.monotonic()
    say(f"idle for {idle:g} s")
    time.sleep(idle)
    cpu = (_cpu_seconds(server) - busy) / (time.monotonic() - began)
    after = _resident(server)
    stored = asyncio.run(_tell_everybody(endpoints, sockets, site.folder / "heard", crowd))
    heard = _told(site.folder / "heard", crowd)
    server.check()
    latencies = heard["latencies"]
    return {
        "sockets": sockets,
        "opened": opened["opened"],
        "open_seconds": opened["seconds"],
        "memory_before_mb": before,
        "memory_idle_mb": after,
        "memory_after_event_mb": _resident(server),
        "kb_a_socket": (after - before) * 1024 / max(opened["opened"], 1),
        "idle_cpu_share": cpu,
        "stored_seconds": stored,
        "heard": len(latencies),
        "lost": heard["lost"],
        "pings": heard["pings"],
        "median": quantiles(latencies, n=2)[0] if len(latencies) > 1 else None,
        "last": latencies[-1] if latencies else PATIENCE_SECONDS,
    }


async def _tell_everybody(endpoints: Endpoints, people: int, heard: Path, crowd: Child) -> float:
    """From a process that holds no socket; seconds until it was committed."""
    settings = Settings(
        database=DatabaseSettings(url=endpoints.database_url),
        valkey=ValkeySettings(url=endpoints.redis_url),
        tokens=TokenSettings(secret="of no use here"),  # noqa: S106 - it signs nothing
        keys=KeySettings(index="nor this", encryption=("nor this",)),
    )
    async with open_context(settings, role="bench") as ctx:
        began = time.monotonic()
        facts = {"began": began}
        people_ids = range(1, people + 1)
        notices = [NewNotice(number, "notification", "bench", facts) for number in people_ids]
        await notifications.add(ctx, notices)
        stored = time.monotonic() - began
        await asyncio.to_thread(_told, heard, crowd)
    return stored


def _told(file: Path, crowd: Child) -> Any:
    """What the clients wrote there. Raises ServerError."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not file.exists():
        if time.monotonic() > deadline:
            raise ServerError(f"the clients did not write {file.name}")
        crowd.check()
        time.sleep(0.02)
    return json.loads(file.read_text())


def _resident(server: Child) -> float:
    """Megabytes of the process that serves."""
    return server.memory_mb()[0]


def _cpu_seconds(server: Child) -> float:
    times = psutil.Process(server.serving()).cpu_times()
    return float(times.user + times.system)


def _show(found: dict[str, Any]) -> None:
    table = Table("what", "measured", title=f"{found['sockets']:,} idle sockets in one process")
    rows = {
        "opened": f"{found['opened']:,} in {found['open_seconds']:.1f} s",
        "resident before": f"{found['memory_before_mb']:.0f} MB",
        "resident with them": f"{found['memory_idle_mb']:.0f} MB",
        "a socket": f"{found['kb_a_socket']:.1f} KB",
        "resident after the event": f"{found['memory_after_event_mb']:.0f} MB",
        "CPU while idle": f"{found['idle_cpu_share']:.1%} of a core, {found['pings']:,} pings",
        "event stored for all": f"{found['stored_seconds']:.2f} s",
        "heard by": f"{found['heard']:,}, {found['lost']:,} connections lost",
        "median": f"{found['median'] or 0:.2f} s",
        "the last": f"{found['last']:.2f} s (wanted: at most {WANTED_SECONDS:g})",
    }
    for name, text in rows.items():
        table.add_row(name, text)
    screen.print(table)


if __name__ == "__main__":
    try:
        typer.run(main)
    except (EmbeddedError, ServerError) as error:
        progress.print(f"[bold red]bench[/] {error}", soft_wrap=True)
        sys.exit(1)
