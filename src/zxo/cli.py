"""The commands. Each takes its settings from the environment; options win over it."""

import sys
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import asyncpg
import typer
from alembic.util import CommandError
from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import SQLAlchemyError
from typer.exceptions import TyperException

from zxo import (
    __version__,
    api,
    backfill,
    doctor,
    keyring,
    migrations,
    registry,
    rotation,
    seed,
    settings,
    supervisor,
    worker,
)
from zxo.clients.web_push_crypto import make_key
from zxo.embedded import EmbeddedError
from zxo.modules.statistics import DaysRefused
from zxo.settings import Settings, SettingsError
from zxo.supervisor import StartError

app = typer.Typer(
    name="zxo",
    help="ZXO helps people stop smoking: a daily check-in app.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
screen = Console(stderr=True, highlight=False)

Port = Annotated[int | None, typer.Option(help="Port to listen on.", min=1, max=65535)]
Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Workers = Annotated[int | None, typer.Option(help="API processes.", min=1, max=64)]
DataDir = Annotated[Path | None, typer.Option(help="Where the embedded services keep their data.")]
Modules = Annotated[
    str | None, typer.Option(help=f"Only these, comma-separated: {', '.join(registry.ROUTERS)}.")
]

REALTIME = "realtime"


def _day(name: str, help_: str) -> Any:
    return typer.Option(name, help=help_, formats=["%Y-%m-%d"], metavar="YYYY-MM-DD")


# What a person can mend: told in one line. Anything else is a defect, and shows its traceback.
OURS = (
    *(StartError, EmbeddedError, SettingsError, seed.SeedError, DaysRefused),
    rotation.RotationError,
)
THEIRS = (CommandError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


def say(line: str) -> None:
    """One line of progress for the person at the terminal."""
    screen.print(f"[bold cyan]zxo[/] {escape(line)}", soft_wrap=True)


def _load(**options: object) -> Settings:
    """The settings, with those options that were given."""
    configured = settings.load(**{k: str(v) for k, v in options.items() if v is not None})
    unknown = set(configured.modules) - set(registry.ROUTERS)
    if unknown:
        raise SettingsError(f"no such module: {', '.join(sorted(unknown))}")
    return configured


@app.command()
def up(
    port: Port = None, host: Host = None, data_dir: DataDir = None, workers: Workers = None
) -> None:
    """Run everything on this machine: embedded services, migrations, API and worker."""
    supervisor.up(_load(PORT=port, HOST=host, ZXO_DATA_DIR=data_dir, ZXO_WORKERS=workers), say)


@app.command("api")
def run_api(
    port: Port = None, host: Host = None, workers: Workers = None, modules: Modules = None
) -> None:
    """Run the API alone."""
    configured = _load(PORT=port, HOST=host, ZXO_WORKERS=workers, ZXO_MODULES=modules)
    supervisor.check_port(configured)
    with supervisor.backed(configured, say) as with_services:
        running = keyring.with_secrets(with_services)
        supervisor.check_role(running)
        api.serve(running)


@app.command("realtime")
def run_realtime(port: Port = None, host: Host = None, workers: Workers = None) -> None:
    """Run the WebSocket alone: an API that answers for nothing but /v1/ws."""
    run_api(port, host, workers, REALTIME)


@app.command("worker")
def run_worker(modules: Modules = None) -> None:
    """Run the worker alone: outbox, jobs and schedule."""
    with supervisor.backed(_load(ZXO_MODULES=modules), say) as with_services:
        running = keyring.with_secrets(with_services)
        supervisor.check_role(running)
        worker.serve(running)


@app.command()
def migrate(
    revision: Annotated[str, typer.Argument(help="Where to go; `base` is empty.")] = "head",
    down: Annotated[bool, typer.Option("--down", help="Go back to the revision.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Bring the database's schema up (or, with --down, back) to a revision."""
    with supervisor.backed(_load(ZXO_DATA_DIR=data_dir), say, valkey=False) as running:
        supervisor.check_database(running)
        move = migrations.downgrade if down else migrations.upgrade
        move(running.database.dsn(), revision)
    say(f"The schema is at {revision if down else migrations.head()}.")


@app.command("seed")
def run_seed(
    users: Annotated[int, typer.Option(help="How many users.", min=1, max=5_000_000)],
    tokens: Annotated[
        Path | None, typer.Option(help="Write one valid token a user, one a line.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Fill an empty database with synthetic users and their history; never in production."""
    with supervisor.backed(_load(ZXO_DATA_DIR=data_dir), say, valkey=False) as running:
        supervisor.check_database(running)
        seed.run(keyring.with_secrets(running), users, tokens, screen)


@app.command("statistics")
def run_statistics(
    first: Annotated[datetime | None, _day("--from", "The first day; else the last.")] = None,
    last: Annotated[datetime | None, _day("--to", "The last day; else yesterday.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Count days that are over (in Shanghai) anew, and write their rows in `statistics`."""
    with supervisor.backed(_load(ZXO_DATA_DIR=data_dir), say) as with_services:
        supervisor.check_database(with_services)
        running = keyring.with_secrets(with_services)
        supervisor.check_role(running)
        days = backfill.run(running, first and first.date(), last and last.date(), screen)
    say(f"Statistics of {days} day{'s' if days > 1 else ''} written.")


@app.command("rotate-keys")
def run_rotation(data_dir: DataDir = None) -> None:
    """Seal everything that is sealed at rest anew, with the first of ZXO_ENCRYPTION_KEYS."""
    with supervisor.backed(_load(ZXO_DATA_DIR=data_dir), say) as with_services:
        supervisor.check_database(with_services)
        running = keyring.with_secrets(with_services)
        supervisor.check_role(running)
        ended = rotation.run(running, screen)
    say(f"{ended.renewed} sealed anew with the first key.")
    if ended.unreadable:
        raise rotation.RotationError(f"No key of ours opens {ended.unreadable} values.")


@app.command("doctor")
def run_doctor(data_dir: DataDir = None) -> None:
    """Check that everything ZXO needs is there and answers."""
    running = _load(ZXO_DATA_DIR=data_dir)
    with ExitStack() as stack:
        try:
            running = stack.enter_context(supervisor.backed(running, say))
        except EmbeddedError as error:
            say(str(error))
        healthy = doctor.run(running, Console(highlight=False))
    raise typer.Exit(0 if healthy else 1)


@app.command("web-push-key")
def make_web_push_key() -> None:
    """Make a private key for WEB_PUSH_VAPID_KEY; the public one is told to browsers by the API."""
    typer.echo(make_key())


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Options before the command."""
    if show:
        typer.echo(f"zxo {__version__}")
        raise typer.Exit


def main() -> NoReturn:
    """Run a command; what goes wrong is said in one line."""
    try:
        sys.exit(app(prog_name="zxo", standalone_mode=False))
    except TyperException as error:
        _fail(error.format_message(), error.exit_code)
    except (*OURS, *THEIRS) as error:
        _fail(_in_one_line(error))


def _in_one_line(error: Exception) -> str:
    if isinstance(error, SQLAlchemyError):
        error = getattr(error, "orig", None) or error  # without the statement and its values
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _fail(line: str, status: int = 1) -> NoReturn:
    if line:  # nothing where `zxo` alone has shown its help
        screen.print(f"[bold red]zxo[/] {escape(line)}", soft_wrap=True)
    sys.exit(status)
