"""`zxo up`: the embedded services, the schema, and every role, on one machine.

Each role is a process of its own and in its own group: Ctrl-C reaches the supervisor alone, which
stops the roles first and the services last. A role that dies is started again.
"""

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType

import asyncpg
import httpx

from zxo import keyring, migrations, settings
from zxo.context import connect_valkey, token_ring, web_push, word_list
from zxo.embedded import services
from zxo.kit.db import Database, is_away
from zxo.kit.lifeline import end_group
from zxo.settings import Settings

Say = Callable[[str], None]

GRACE_SECONDS = 30
READY_SECONDS = 60
STABLE_SECONDS = 10  # a role that lived this long did start
TRIES = 5
LOOK_SECONDS = 0.05


class StartError(Exception):
    """ZXO cannot start; the text is one line for the person."""


@contextmanager
def backed(
    configured: Settings, say: Say, *, exclusive: bool = False, valkey: bool = True
) -> Iterator[Settings]:
    """`configured` with the embedded services where none are configured (never in production).

    Without `valkey` for a command that has no use for it.
    """
    database_url, redis_url = configured.database.dsn(), configured.valkey.dsn()
    if database_url and (redis_url or not valkey):
        yield configured
        return
    with services(
        configured.data_dir,
        postgres=not database_url,
        valkey=valkey and not redis_url,
        exclusive=exclusive,
        say=say,
    ) as endpoints:
        yield settings.load(
            DATABASE_URL=database_url or endpoints.database_url,
            REDIS_URL=redis_url or endpoints.redis_url,
        )


def check_database(configured: Settings) -> None:
    """Raises StartError unless PostgreSQL answers."""
    try:
        _tables(configured)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StartError(_reason(error)) from None


def check_role(configured: Settings) -> None:
    """Raises StartError where a role could never work with these settings.

    A database that is away is no reason: it may come up after us.
    """
    try:
        token_ring(configured)
        connect_valkey(configured)
        web_push(configured)
        word_list(configured)
        tables = _tables(configured)
    except ValueError as error:
        raise StartError(f"The settings cannot be used: {error}.") from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        if is_away(error):
            return
        raise StartError(_reason(error)) from None
    if not tables:
        raise StartError("The database has no tables yet: run `zxo migrate` first.")


def _tables(configured: Settings) -> bool:
    """Whether the database has been migrated at all."""

    async def ask() -> bool:
        database = await Database.connect(configured.database.dsn(), application_name="zxo-check")
        try:
            return bool(await database.fetchval("SELECT to_regclass('alembic_version') NOTNULL"))
        finally:
            await database.close()

    return asyncio.run(ask())


def _reason(error: Exception) -> str:
    said = str(error).partition("\n")[0] or type(error).__name__
    return f"PostgreSQL cannot be used: {said}."


def up(configured: Settings, say: Say) -> None:
    """Run everything until SIGINT or SIGTERM. Raises StartError, EmbeddedError."""
    check_port(configured)
    stop = Stop()
    with suppress(KeyboardInterrupt), backed(configured, say, exclusive=True) as with_services:
        stop.interrupts = False
        running = keyring.with_secrets(with_services)
        migrate = partial(migrations.upgrade, with_services.database.dsn())
        run_roles = partial(_run_roles, stop=stop, say=say)
        for step in (check_database, lambda _: migrate(), check_role, run_roles):
            if not stop.asked:
                step(running)
    say("Stopped. Everything is saved.")


class Stop:
    """SIGINT and SIGTERM: the first asks to stop, the second not to wait for it any longer.

    While services start, the first is a KeyboardInterrupt. Afterwards it is only noted: in the
    middle of an event loop an exception leaves pieces, and between a role's start and its entry in
    the list it would leave the role behind. No later signal interrupts the stopping itself.
    """

    def __init__(self) -> None:
        self.interrupts = True
        self._asked = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, _: int, __: FrameType | None) -> None:
        self._asked += 1
        if self._asked == 1 and self.interrupts:
            raise KeyboardInterrupt

    @property
    def asked(self) -> bool:
        return self._asked > 0

    @property
    def urgent(self) -> bool:
        return self._asked > 1


def check_port(configured: Settings) -> None:
    """Raises StartError where somebody else listens, or the address is not this machine's."""
    address = configured.host, configured.port
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
            probe.listen()
    except OSError as error:
        raise StartError(
            f"Cannot listen on {configured.host}:{configured.port}: {error.strerror}. "
            "Choose another port with --port."
        ) from None


class Role:
    """One child process, started again when it dies."""

    def __init__(self, name: str, say: Say) -> None:
        self.name = name
        self._say = say
        self._failures = 0
        self.start()

    def start(self) -> None:
        self._started = time.monotonic()
        # The module itself, not `zxo`: it needs neither the command line nor Alembic in memory.
        command = [sys.executable, "-m", f"zxo.{self.name}"]
        self._process = subprocess.Popen(command, start_new_session=True)  # noqa: S603

    def keep_alive(self) -> None:
        """Start it again if it has died. Raises StartError where that does not help."""
        status = self._process.poll()
        if status is None:
            return
        end_group(self._process.pid)
        lived = time.monotonic() - self._started
        self._failures = 1 if lived > STABLE_SECONDS else self._failures + 1
        if self._failures >= TRIES:
            raise StartError(f"{self.name} does not start (exit status {status}), see above.")
        self._say(f"{self.name} ended unexpectedly (exit status {status}); starting it again")
        time.sleep(0.2 * (self._failures - 1))
        self.start()

    def terminate(self) -> None:
        self._process.terminate()

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def end(self) -> None:
        """Kill what is left of it."""
        end_group(self._process.pid)
        self._process.wait()


def _run_roles(configured: Settings, stop: Stop, say: Say) -> None:
    roles: list[Role] = []
    try:
        for name in ("api", "worker"):
            roles.append(Role(name, say))  # noqa: PERF401 - whoever started must be stopped
        if _wait_ready(configured, roles, stop):
            _announce(configured, say)
        while not stop.asked:
            _look_after(roles)
    finally:
        say("Stopping …")
        _stop(roles, stop)


def _look_after(roles: Sequence[Role]) -> None:
    for role in roles:
        role.keep_alive()
    time.sleep(LOOK_SECONDS)


def _wait_ready(configured: Settings, roles: Sequence[Role], stop: Stop) -> bool:
    """False where a stop was asked for first."""
    deadline = time.monotonic() + READY_SECONDS
    while not stop.asked:
        _look_after(roles)
        with suppress(httpx.HTTPError):
            url = f"http://{_in_url(configured.host)}:{configured.port}/ready"
            if httpx.get(url, timeout=2, trust_env=False).status_code == httpx.codes.OK:
                return True
        if time.monotonic() > deadline:
            raise StartError(f"The API did not become ready within {READY_SECONDS} s.")
    return False


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _announce(configured: Settings, say: Say) -> None:
    here = configured.host in {"127.0.0.1", "0.0.0.0", "::1", "::"}  # noqa: S104
    address = f"http://{'localhost' if here else _in_url(configured.host)}:{configured.port}"
    say(f"ZXO listens at {address}, its API is described at {address}/docs")
    say(f"The data are in {configured.data_dir.resolve()}")
    if configured.development_login:
        say('Log in with the code "dev:alice" (development only). Ctrl-C stops everything.')


def _stop(roles: Sequence[Role], stop: Stop) -> None:
    for role in roles:
        role.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    while not all(role.has_ended() for role in roles):
        if stop.urgent or time.monotonic() > deadline:
            break
        time.sleep(LOOK_SECONDS)
    for role in roles:
        role.end()
