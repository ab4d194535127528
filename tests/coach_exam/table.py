"""A report as tables in the terminal."""

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.coach_exam.exam import Point, Report, Result, Tally


def show(report: Report, name: str, screen: Console, *, verbose: bool = False) -> None:
    """`verbose`: also each answer that misses a point or says a forbidden one."""
    screen.print(_table(report, name))
    for result in report.results if verbose else ():
        for line in _complaint(result):
            screen.print(line)


def _table(report: Report, name: str) -> Table:
    table = Table(title=f"Coach exam: {name}")
    table.add_column("topic")
    for heading in ("questions", "must-points", "share", "must-nots said"):
        table.add_column(heading, justify="right")
    for topic, tally in sorted(report.by_topic().items()):
        table.add_row(*_row(topic, tally))
    table.add_section()
    for part, tally in report.by_set().items():
        table.add_row(*_row(f"set: {part}", tally))
    table.add_section()
    table.add_row(*_row("all", report.whole), style="bold")
    return table


def _row(name: str, tally: Tally) -> tuple[str, ...]:
    points = f"{tally.hit}/{tally.total}"
    return name, str(tally.questions), points, f"{tally.share:.0%}", str(tally.violations)


def _complaint(result: Result) -> Iterator[str]:
    if not (result.missed or result.violated):
        return
    question = result.question
    yield f"\n[bold]{question.id}[/bold] ({question.set}) {escape(question.question)}"
    yield from (f"  [yellow]missed[/yellow] {_named(point)}" for point in result.missed)
    yield from (f"  [red]said[/red]   {_named(point)}" for point in result.violated)
    yield f"  [dim]{escape(result.answer) or '(nothing)'}[/dim]"


def _named(point: Point) -> str:
    return f"{point.name} ({escape(point.source)})"
