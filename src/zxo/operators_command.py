"""`zxo admin`: operators from the command line; the first owner has no other way in."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from zxo import keyring, settings, supervisor
from zxo.context import open_context
from zxo.modules import operators
from zxo.modules.operators import Acting, NewOperatorBody, Operator, Role
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
    wanted = _wanted(name, role, _password())
    chosen = {"ZXO_DATA_DIR": str(data_dir)} if data_dir else {}
    with supervisor.backed(settings.load(**chosen), _say) as with_services:
        supervisor.check_database(with_services)
        running = keyring.with_secrets(with_services)
        supervisor.check_role(running)
        operator = asyncio.run(_create(running, wanted))
    _say(f"Operator {operator.id}: {operator.name}, {operator.role}.")


def _password() -> str:
    if sys.stdin.isatty():
        answer: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return answer
    return sys.stdin.readline().rstrip("\r\n")


def _wanted(name: str, role: Role, password: str) -> NewOperatorBody:
    """The same text as a log-in will send, or a line that says what no log-in could."""
    try:
        return NewOperatorBody(name=name, role=role, password=password)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "name or password"
        raise typer.BadParameter(f"{where}: {first['msg']}") from None


async def _create(configured: Settings, wanted: NewOperatorBody) -> Operator:
    async with open_context(configured, role="admin") as ctx:
        return await operators.create(ctx, COMMAND_LINE, wanted.name, wanted.role, wanted.password)


def _say(line: str) -> None:
    screen.print(f"[bold cyan]zxo[/] {escape(line)}", soft_wrap=True)
