"""`zxo up`: the embedded services, the schema, and every role, on one machine.

Each role is a process of its own and in its own group: Ctrl-C reaches the supervisor alone, which
stops the roles first and the services last. A role that dies is started again.
"""

import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import httpx

from zxo import migrations, settings
from zxo.embedded import services
from zxo.kit.lifeline import end_group
from zxo.settings import Settings

Say = Callable[[str], None]

GRACE_SECONDS = 30
READY_SECONDS = 60
STABLE_SECONDS = 10  # a role that lived this long did start
TRIES = 5


class StartError(Exception):
    """ZXO cannot start; the text is one line for the person."""


@contextmanager
def backed(configured: Settings, say: Say, *, exclusive: bool = False) -> Iterator[Settings]:
    """`configured` with the embedded services where none are configured (never in production)."""
    database, valkey = configured.database.dsn(), configured.valkey.dsn()
    if database and valkey:
        yield configured
        return
    with services(
        configured.data_dir,
        postgres=not database,
        valkey=not valkey,
        exclusive=exclusive,
        say=say,
    ) as endpoints:
        yield settings.load(
            DATABASE_URL=database or endpoints.database_url,
            REDIS_URL=valkey or endpoints.redis_url,
        )


def with_secret(configured: Settings) -> Settings:
    """`configured` with a token secret; outside production one is made and kept in the data folder.

    Kept, so that nobody is signed out by a restart.
    """
    if configured.tokens.secret.get_secret_value():
        return configured
    return settings.load(JWT_SECRET=_kept_secret(configured.data_dir / "jwt-secret"))


def _kept_secret(path: Path) -> str:
    with suppress(FileExistsError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(secrets.token_urlsafe(48))
    return path.read_text()


def up(configured: Settings, say: Say) -> None:
    """Run everything until SIGINT or SIGTERM. Raises StartError, EmbeddedError."""
    check_port(configured)
    signal.signal(signal.SIGTERM, _interrupt)
    with suppress(KeyboardInterrupt):
        with backed(configured, say, exclusive=True) as backed_settings:
            running = with_secret(backed_settings)
            migrations.upgrade(running.database.dsn())
            _run_roles(running, say)
        say("Stopped. Everything is saved.")


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def check_port(configured: Settings) -> None:
    """Raises StartError where somebody else listens."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((configured.host, configured.port))
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
        command = [sys.executable, "-m", "zxo", self.name, "--supervised"]
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
        time.sleep(min(0.2 * self._failures, 1))
        self.start()

    def terminate(self) -> None:
        self._process.terminate()

    def wait_until(self, deadline: float) -> None:
        """Wait for the end; kill what is left of it at `deadline` (monotonic seconds)."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.1, deadline - time.monotonic()))
        end_group(self._process.pid)


def _run_roles(configured: Settings, say: Say) -> None:
    roles: list[Role] = []
    try:
        for name in ("api", "worker"):
            roles.append(Role(name, say))  # noqa: PERF401 - whoever started must be stopped
        _wait_ready(configured, roles)
        _announce(configured, say)
        while True:
            time.sleep(0.2)
            for role in roles:
                role.keep_alive()
    finally:
        say("Stopping …")
        _stop(roles)


def _wait_ready(configured: Settings, roles: Sequence[Role]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        for role in roles:
            role.keep_alive()
        with suppress(httpx.HTTPError):
            url = f"http://{configured.host}:{configured.port}/ready"
            if httpx.get(url, timeout=2, trust_env=False).status_code == httpx.codes.OK:
                return
        time.sleep(0.05)
    raise StartError(f"The API did not become ready within {READY_SECONDS} s.")


def _announce(configured: Settings, say: Say) -> None:
    shown = "localhost" if configured.host in {"127.0.0.1", "0.0.0.0"} else configured.host  # noqa: S104
    address = f"http://{shown}:{configured.port}"
    say(f"ZXO listens at {address}, its API is described at {address}/docs")
    say(f"The data are in {configured.data_dir.resolve()}")
    if configured.development_login:
        say('Log in with the code "dev:alice" (development only). Ctrl-C stops everything.')


def _stop(roles: Sequence[Role]) -> None:
    with suppress(KeyboardInterrupt):  # a second Ctrl-C: no more waiting
        for role in roles:
            role.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for role in roles:
            role.wait_until(deadline)
        return
    for role in roles:
        role.wait_until(0)
