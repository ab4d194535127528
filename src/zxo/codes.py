"""`zxo codes`: redeem codes from the command line, in production too."""

import asyncio
import csv
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.markup import escape

from zxo import keyring, settings, supervisor
from zxo.context import open_context
from zxo.kit.jobs import SCHEDULE_ZONE
from zxo.kit.zones import zone
from zxo.modules import membership
from zxo.modules.membership import CodeType, NewBatch, Plan
from zxo.settings import Settings

COLUMNS = ("code", "type", "days", "cards", "max_uses", "valid_from", "valid_until", "batch")
FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M"]
DAY = timedelta(days=1)

app = typer.Typer(name="codes", help="Redeem codes.", no_args_is_help=True)
screen = Console(stderr=True, highlight=False)


def _instant(name: str, help_: str) -> Any:
    return typer.Option(name, help=help_, formats=FORMATS, metavar="YYYY-MM-DD[THH:MM]")


@app.callback()
def _group() -> None:
    """Redeem codes."""  # with a second command to come, `generate` stays a word to be said


@app.command()
def generate(
    kind: Annotated[CodeType, typer.Option("--type", help="What a code gives.")],
    count: Annotated[int, typer.Option(help="How many codes, up to 10,000.")] = 1,
    days: Annotated[
        int | None, typer.Option(help="Days of VIP or AI; AI without: three calendar months.")
    ] = None,
    cards: Annotated[int | None, typer.Option(help="Makeup cards that a code gives.")] = None,
    max_uses: Annotated[int, typer.Option(help="How many people; -1: any number.")] = 1,
    first: Annotated[datetime | None, _instant("--from", "Not before; Shanghai time.")] = None,
    until: Annotated[
        datetime | None, _instant("--until", "Not after; Shanghai time, a date to its end.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="One chosen text, 6 letters or more.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write the CSV to this new file, for its owner's eyes.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where the embedded services keep their data.")
    ] = None,
) -> None:
    """Make codes and print them as CSV, this once: the database keeps no readable code."""
    plan = Plan(
        code_type=kind,
        count=count,
        text=text,
        duration_days=days,
        makeup_card_count=cards,
        max_uses=max_uses,
        valid_from=first and _in_shanghai(first),
        valid_until=until and _in_shanghai(_end(until)),
    )
    chosen = {"ZXO_DATA_DIR": str(data_dir)} if data_dir else {}
    with supervisor.backed(settings.load(**chosen), _say) as with_services:
        supervisor.check_database(with_services)
        running = keyring.with_secrets(with_services)
        supervisor.check_role(running)
        with _new(output) as file:
            made = asyncio.run(_make(running, plan))
            _write(file, made)
    _say(f"{len(made.texts)} code{'s' if len(made.texts) > 1 else ''}, batch {made.batch.id}.")


def _end(until: datetime) -> datetime:
    """Midnight stands for a date, which counts to its end."""
    return until + DAY - datetime.resolution if until.time() == time() else until


def _in_shanghai(local: datetime) -> datetime:
    return local.replace(tzinfo=zone(SCHEDULE_ZONE))


async def _make(configured: Settings, plan: Plan) -> NewBatch:
    async with open_context(configured, role="codes") as ctx:
        return await membership.create_batch(ctx, plan, None)


@contextmanager
def _new(path: Path | None) -> Iterator[TextIO]:
    """Where the CSV goes; opened before there are codes, which could not be told otherwise."""
    if path is None:
        printed = io.StringIO()
        yield printed
        typer.echo(printed.getvalue(), nl=False)
        return
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(number, "w", newline="", encoding="utf-8") as file:
            yield file
    except BaseException:
        if not path.stat().st_size:  # refused: nothing is left behind
            path.unlink()
        raise


def _write(file: TextIO, made: NewBatch) -> None:
    batch, rows = made.batch, csv.writer(file, lineterminator="\n")
    rows.writerow(COLUMNS)
    worth = (batch.code_type, batch.duration_days, batch.makeup_card_count, batch.max_uses)
    window = [instant and instant.isoformat() for instant in (batch.valid_from, batch.valid_until)]
    rows.writerows([text, *worth, *window, batch.id] for text in made.texts)
    file.flush()


def _say(line: str) -> None:
    screen.print(f"[bold cyan]zxo[/] {escape(line)}", soft_wrap=True)
