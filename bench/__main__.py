"""`python -m bench`: start everything in a temporary folder, measure, report. See README.md."""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console

from bench import outbox, pgbench, report, servers
from bench.load import Address
from bench.pgbench import Pgbench, PgbenchError
from bench.report import Report
from bench.scenarios import CHECK_IN, EMPTY, ROUTES, Series, Server, one_by_one
from bench.servers import Child, ServerError, Site
from zxo.embedded import EmbeddedError, services

CEILING_SECONDS = 2.0
PEOPLE_ALONE = 50
LEAST_USERS = 100  # a round

screen = Console(highlight=False)
progress = Console(stderr=True, highlight=False)


def main(
    users: Annotated[int, typer.Option(help="Seeded; each checks in once.")] = 60_000,
    seconds: Annotated[float, typer.Option(help="Of each run.", min=0.2)] = 5.0,
    rounds: Annotated[int, typer.Option(help="Runs of each route, in turn.", min=1)] = 3,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures.")] = None,
    against: Annotated[str | None, typer.Option(help="URL of a second server.")] = None,
    against_tokens: Annotated[Path | None, typer.Option(help="Its tokens, one a line.")] = None,
) -> None:
    """Measure ZXO on this machine; exit status 1 where any answer was an error."""
    if (against is None) != (against_tokens is None):
        raise typer.BadParameter("--against and --against-tokens come together")
    if users < LEAST_USERS * rounds:
        raise typer.BadParameter(f"{rounds} rounds need at least {LEAST_USERS * rounds} users")
    options = {"users": users, "seconds": seconds, "rounds": rounds, "against": against}
    found = Report(options)
    other = Server(_address(against), _tokens(against_tokens), rounds) if against_tokens else None
    with _bench(users, rounds) as bench:
        bench.run(found, other, seconds, rounds)
    report.show(found, screen)
    if json_file:
        json_file.write_text(json.dumps(found.as_json(), indent=2, ensure_ascii=False) + "\n")
    raise typer.Exit(1 if found.errors else 0)


def say(line: str) -> None:
    progress.print(f"[dim]bench[/] {line}", soft_wrap=True)


def _address(url: str | None) -> Address:
    parts = urlsplit(url or "")
    if not parts.hostname:
        raise typer.BadParameter("--against takes a URL such as http://127.0.0.1:3900")
    return Address(parts.hostname, parts.port or 80)


def _tokens(path: Path) -> list[bytes]:
    return path.read_bytes().split()


class Bench:
    """All servers, started and idle."""

    def __init__(self, site: Site, database_url: str, users: int, rounds: int) -> None:
        chosen = servers.cores()
        core = chosen[0] if chosen else None
        self._database_url = database_url
        site.run("zxo", "seed", "--users", str(users), "--tokens", "tokens")
        pgbench.copy_database(database_url)
        self._pgbench = Pgbench(database_url, site.folder, users // rounds)
        self._bytes = Server(site.listen("bench.targets", "bytes", core=core)[0], [b"-"])
        self._empty = Server(site.listen("bench.targets", "granian", core=core)[0], [b"-"])
        address, self._api = site.listen("zxo", "api", "--port", core=core)
        self._worker = site.start("zxo", "worker")
        self._ours = Server(address, _tokens(site.folder / "tokens"), rounds)

    def run(self, found: Report, other: Server | None, seconds: float, rounds: int) -> None:
        """Fill in `found`."""
        self._ours.knows(ROUTES[0])  # it answers only when it is up
        found.memory["idle"] = self._api.memory_mb()
        found.alone = list(one_by_one(self._ours.address, PEOPLE_ALONE))
        outbox.watch(self._database_url, found.alone[1].loads[0])  # until the worker is up
        found.ceiling.loads.append(self._bytes.measure(EMPTY, min(seconds, CEILING_SECONDS)))
        self._prepare(found, other)
        for number in range(1, rounds + 1):
            say(f"round {number} of {rounds}")
            self._round(found, other, seconds)
        found.memory["after load"] = self._api.memory_mb()

    def _prepare(self, found: Report, other: Server | None) -> None:
        self._empty.warm_up(EMPTY)
        for route in ROUTES:
            found.ours[route.name] = Series(route.name)
            self._ours.warm_up(route)
            if other and other.knows(route):
                found.theirs[route.name] = Series(route.name)
                other.warm_up(route)

    def _round(self, found: Report, other: Server | None, seconds: float) -> None:
        found.empty.loads.append(self._empty.measure(EMPTY, seconds))
        for route in ROUTES:
            load = self._ours.measure(route, seconds)
            found.ours[route.name].loads.append(load)
            if route is CHECK_IN:
                found.drains.append(outbox.watch(self._database_url, load))
                found.pgbench.loads.append(self._pgbench.round(seconds))
            if other and route.name in found.theirs:
                found.theirs[route.name].loads.append(other.measure(route, seconds))
            say(f"{route.name}: {load.per_second:,.0f} a second")
        _check(self._api, self._worker)


def _check(*children: Child) -> None:
    for child in children:
        child.check()


@contextmanager
def _bench(users: int, rounds: int) -> Iterator[Bench]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zxo-bench-")))
        endpoints = stack.enter_context(services(folder / "data", say=say))
        yield Bench(Site(folder, endpoints, stack), endpoints.database_url, users, rounds)


if __name__ == "__main__":
    try:
        typer.run(main)
    except (EmbeddedError, PgbenchError, ServerError) as error:
        progress.print(f"[bold red]bench[/] {error}", soft_wrap=True)
        sys.exit(1)
