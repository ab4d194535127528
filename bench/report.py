"""The figures as tables for the person and as JSON for the next run."""

import os
import platform
from dataclasses import dataclass, field
from math import nan
from statistics import median
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from bench import outbox
from bench.outbox import Drain
from bench.scenarios import CHECK_IN, ROUTES, Series

NEAR_CEILING = 0.7  # beyond this share of what it can send, the generator may be what is measured


@dataclass
class Report:
    """Everything that one run of the bench found."""

    options: dict[str, Any]
    ceiling: Series = field(default_factory=lambda: Series("load generator"))
    empty: Series = field(default_factory=lambda: Series("empty route"))
    ours: dict[str, Series] = field(default_factory=dict)
    theirs: dict[str, Series] = field(default_factory=dict)
    pgbench: Series = field(default_factory=lambda: Series("pgbench, same statement"))
    drains: list[Drain] = field(default_factory=list)
    memory: dict[str, tuple[float, float]] = field(default_factory=dict)
    alone: list[Series] = field(default_factory=list)

    def all_series(self) -> list[Series]:
        measured = [self.ceiling, self.empty, *self.ours.values(), self.pgbench]
        return [*measured, *self.theirs.values(), *self.alone]

    @property
    def errors(self) -> int:
        return sum(series.errors for series in self.all_series())

    def as_json(self) -> dict[str, Any]:
        check_in = self.ours[CHECK_IN.name]
        return {
            "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
            "options": self.options,
            "errors": self.errors,
            "ceiling": self.ceiling.as_json(),
            "empty_route": self.empty.as_json(),
            "routes": {name: self._route_json(series) for name, series in self.ours.items()},
            "against": {name: self._against_json(name) for name in self.theirs},
            "pgbench": self.pgbench.as_json()
            | {"check_in_ratio": round(check_in.ratio_to(self.pgbench), 3)},
            "outbox": outbox.as_json(self.drains),
            "memory_mb": {
                when: {"serving": round(serving, 1), "all": round(together, 1)}
                for when, (serving, together) in self.memory.items()
            },
            "one_by_one": {series.name: series.as_json() for series in self.alone},
        }

    def _route_json(self, series: Series) -> dict[str, Any]:
        return series.as_json() | {"ratio_to_empty": round(series.ratio_to(self.empty), 3)}

    def _against_json(self, name: str) -> dict[str, Any]:
        theirs = self.theirs[name]
        return theirs.as_json() | {"our_ratio": round(self.ours[name].ratio_to(theirs), 2)}


def show(report: Report, screen: Console) -> None:
    screen.print(_routes(report))
    if report.theirs:
        screen.print(_against(report))
    screen.print(_outbox(report.drains))
    screen.print(_memory(report), _alone(report))
    fastest = max([report.empty.per_second, *(s.per_second for s in report.ours.values())])
    share = fastest / (report.ceiling.per_second or nan)
    screen.print(
        f"The load generator can send {report.ceiling.per_second:,.0f} a second; "
        f"the fastest route took {share:.0%} of that"
        + (": it may be the generator that was measured." if share > NEAR_CEILING else ".")
    )
    if report.errors:
        screen.print(f"[bold red]{report.errors} errors: these figures do not count.[/]")


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _figures(series: Series) -> list[str]:
    errors = f"[bold red]{series.errors}[/]" if series.errors else "0"
    p50, p99 = series.percentile_ms(50), series.percentile_ms(99)
    return [f"{series.per_second:,.0f}", f"{p50:.2f}", f"{p99:.2f}", errors]


def _routes(report: Report) -> Table:
    table = _table(
        "One process on one core, 32 connections; medians of the rounds",
        "route", "req/s", "p50 ms", "p99 ms", "errors", "/ empty", "/ pgb.",
    )  # fmt: skip
    table.add_row(report.empty.name, *_figures(report.empty), "100%", "")
    for route in ROUTES:
        series = report.ours[route.name]
        of_pgbench = f"{series.ratio_to(report.pgbench):.0%}" if route is CHECK_IN else ""
        of_empty = f"{series.ratio_to(report.empty):.0%}"
        table.add_row(route.name, *_figures(series), of_empty, of_pgbench)
    table.add_row(report.pgbench.name, *_figures(report.pgbench), "", "100%")
    return table


def _against(report: Report) -> Table:
    table = _table(
        f"Beside {report.options['against']}, in turn",
        "route", "req/s", "p50 ms", "p99 ms", "errors", "ours ×", "our p99 ×",
    )  # fmt: skip
    for name, theirs in report.theirs.items():
        ours = report.ours[name]
        p99 = ours.percentile_ms(99) / (theirs.percentile_ms(99) or nan)
        table.add_row(name, *_figures(theirs), f"{ours.ratio_to(theirs):.2f}", f"{p99:.2f}")
    return table


def _outbox(drains: list[Drain]) -> Table:
    table = _table(
        f"Outbox: {median(drain.keeps_up for drain in drains):.1%} drained as it came",
        "round", "came/s", "drained/s", "waiting after", "s to empty", "s to idle",
    )  # fmt: skip
    for number, drain in enumerate(drains, 1):
        table.add_row(
            str(number),
            f"{drain.arrived_per_second:,.0f}",
            f"{drain.drained_per_second:,.0f}",
            f"{drain.waiting:,}",
            _seconds(drain.seconds_until_empty),
            _seconds(drain.seconds_until_idle),
        )
    return table


def _seconds(value: float | None) -> str:
    return "[bold red]never[/]" if value is None else f"{value:.2f}"


def _memory(report: Report) -> Table:
    table = _table("API, resident MB", "when", "serving process", "with its parent")
    for when, (serving, together) in report.memory.items():
        table.add_row(when, f"{serving:.0f}", f"{together:.0f}")
    return table


def _alone(report: Report) -> Table:
    table = _table("One request at a time", "request", "p50 ms", "p99 ms", "errors")
    for series in report.alone:
        table.add_row(series.name, *_figures(series)[1:])
    return table
