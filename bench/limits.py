"""`python -m bench.limits`: what the limits cost a request that none refuses. See README.md."""

import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import servers
from bench.scenarios import Route, Series, Server
from bench.servers import ServerError, Site
from zxo.embedded import EmbeddedError, services
from zxo.limits import TABLE

WIDE = "9999999/1s"
CEILINGS = ("user", "address", "sockets")
ROUTES = (
    Route("GET /v1/users/me", "GET", "/v1/users/me"),  # ceilings alone: in the process
    Route("POST /v1/cravings", "POST", "/v1/cravings", b"{}"),  # and one question to Valkey
)

screen = Console(highlight=False)
progress = Console(stderr=True, highlight=False)


def main(
    users: Annotated[int, typer.Option(help="Seeded.", min=100)] = 5_000,
    seconds: Annotated[float, typer.Option(help="Of each run.", min=0.2)] = 3.0,
    rounds: Annotated[int, typer.Option(help="Runs of each, in turn.", min=1)] = 5,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures.")] = None,
) -> None:
    """Ask a server with limits and one without in turn; exit status 1 where any answer failed."""
    wide = {f"LIMIT_{name.upper()}": WIDE for name in (*(one.name for one in TABLE), *CEILINGS)}
    chosen = servers.cores()
    core = chosen[0] if chosen else None
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zxo-bench-")))
        site = Site(folder, stack.enter_context(services(folder / "data", say=say)), stack)
        site.run("zxo", "seed", "--users", str(users), "--tokens", "tokens")
        tokens = (folder / "tokens").read_bytes().split()
        off = Server(site.listen("zxo", "api", "--port", core=core)[0], tokens)
        on = Server(
            site.listen("zxo", "api", "--port", core=core, RATE_LIMITS="on", **wide)[0], tokens
        )
        found = [_measure(route, off, on, seconds, rounds) for route in ROUTES]
    if json_file:
        json_file.write_text(json.dumps([_as_json(*pair) for pair in found], indent=2) + "\n")
    raise typer.Exit(1 if any(series.errors for pair in found for series in pair) else 0)


def say(line: str) -> None:
    progress.print(f"[dim]bench[/] {line}", soft_wrap=True)


def _measure(
    route: Route, off: Server, on: Server, seconds: float, rounds: int
) -> tuple[Series, Series]:
    without, limited = Series(f"{route.name}, no limits"), Series(f"{route.name}, limited")
    for server in (off, on):
        server.warm_up(route)
    for _ in range(rounds):
        without.loads.append(off.measure(route, seconds))
        limited.loads.append(on.measure(route, seconds))
    screen.print(
        f"{route.name}: {without.per_second:,.0f} a second without limits, "
        f"{limited.per_second:,.0f} with them: {limited.ratio_to(without):.1%}; "
        f"errors {without.errors + limited.errors}"
    )
    return without, limited


def _as_json(without: Series, limited: Series) -> dict[str, object]:
    return {
        "off": without.as_json(),
        "on": limited.as_json(),
        "ratio": round(limited.ratio_to(without), 3),
    }


if __name__ == "__main__":
    try:
        typer.run(main)
    except (EmbeddedError, ServerError) as error:
        progress.print(f"[bold red]bench[/] {error}", soft_wrap=True)
        sys.exit(1)
