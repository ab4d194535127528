"""`zxo admin`: operators from the command line; the first owner has no other way in."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from zxo import keyring, settings, supervisor
from zxo.context import open_context
from zxo.modules import operators
from zxo.modules.operators import Acting, Operator, Role
from zxo.settings import Settings

COMMAND_LINE = Acting(None, "zxo admin", "owner", "local", "")

app = typer.Typer(name="admin", help="Operators.", no_args_is_help=True)
screen = Console(stderr=True, highlight=False)


@app.callback()
def _group() -> None:
    """Operators."""  # with a second command to come, `create` stays a word to be said


@app.command()
def create(
    name: Annotated[str, typer.Option(help="Whom the operator signs in as.")],
    role: Annotated[Role, typer.Option(help="What the operator may do.")] = "owner",
    data_dir: Annotated[
        Path | None, typer.Option(help="Where the embedded services keep their data.")
    ] = None,
) -> None:
    """Add an operator. The password is asked for, or read from the input: never an argument."""
    password = _password()
    chosen = {"ZXO_DATA_DIR": str(data_dir)} if data_dir else {}
    with supervisor.backed(settings.load(**chosen), _say) as with_services:
        supervisor.check_database(with_services)
        running = keyring.with_secrets(with_services)
        supervisor.check_role(running)
        operator = asyncio.run(_create(running, name.strip(), role, password))
    _say(f"Operator {operator.id}: {operator.name}, {operator.role}.")


def _password() -> str:
    if sys.stdin.isatty():
        answer: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return answer
    return sys.stdin.readline().rstrip("\r\n")


async def _create(configured: Settings, name: str, role: Role, password: str) -> Operator:
    async with open_context(configured, role="admin") as ctx:
        return await operators.create(ctx, COMMAND_LINE, name, role, password)


def _say(line: str) -> None:
    screen.print(f"[bold cyan]zxo[/] {escape(line)}", soft_wrap=True)
