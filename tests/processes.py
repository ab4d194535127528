"""Real processes of ZXO, as a person or a supervisor would start them."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx
import psutil

from zxo import embedded

T = TypeVar("T")

PATIENCE = 60  # seconds; what this machine may need when others use it too
SECRET = "only-for-tests-0123456789-abcdefghij"
FAST = {"fsync": "off"}  # costs nothing at a kill, as other shortcuts would


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(question: Callable[[], T], within: float = PATIENCE) -> T:
    """The first true answer. Connection errors are a no."""
    deadline = time.monotonic() + within
    while True:
        answer: Any = None
        with suppress(httpx.HTTPError, OSError, asyncpg.PostgresError):
            answer = question()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {within} s, last answer: {answer!r}"
        time.sleep(0.05)


def sql(url: str, statement: str, *args: Any) -> list[Any]:
    """The rows as tuples."""

    async def ask() -> list[Any]:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            return [tuple(row) for row in await connection.fetch(statement, *args)]
        finally:
            await connection.close()

    return asyncio.run(ask())


def value(url: str, statement: str, *args: Any) -> Any:
    return sql(url, statement, *args)[0][0]


class Zxo:
    """One `zxo …` process; what it says goes to a file."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        folder.mkdir(exist_ok=True)
        self.output = folder / f"{arguments[0]}-{time.monotonic_ns()}.log"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "zxo", *arguments],
                cwd=folder,
                env={**os.environ, "COLUMNS": "200", **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self.process.pid

    def said(self) -> str:
        return self.output.read_text()

    def wait_for(self, text: str, within: float = PATIENCE) -> None:
        def seen() -> bool:
            assert text in self.said() or self.process.poll() is None, self.said()
            return text in self.said()

        eventually(seen, within)

    def family(self) -> list[psutil.Process]:
        """It and everything that it has started."""
        parent = psutil.Process(self.pid)
        return [parent, *parent.children(recursive=True)]

    def child(self, name: str) -> psutil.Process:
        """The role called so."""
        found = [p for p in psutil.Process(self.pid).children() if f"zxo.{name}" in p.cmdline()]
        assert found, f"no {name} among the children"
        return found[0]

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, within: float = PATIENCE) -> int:
        return self.process.wait(within)

    def stop(self, number: int = signal.SIGINT) -> int:
        self.send(number)
        return self.wait()

    def discard(self) -> None:
        """Whatever state it is in, nothing of it is left afterwards."""
        with suppress(psutil.NoSuchProcess):
            if self.process.poll() is None:
                family = self.family()
                self.send(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    self.wait(40)
                for process in family:
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
        self.process.wait()


@contextmanager
def running(folder: Path, *arguments: str, **environment: str) -> Iterator[Zxo]:
    zxo = Zxo(folder, *arguments, **environment)
    try:
        yield zxo
    finally:
        zxo.discard()


@contextmanager
def api(folder: Path, *options: str, **environment: str) -> Iterator[tuple[Zxo, httpx.Client]]:
    """`zxo api` that is ready, and a client for it."""
    port = free_port()
    with (
        running(folder, "api", "--port", str(port), *options, **environment) as zxo,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        ready = eventually(
            lambda: zxo.process.poll() is not None or client.get("/ready").is_success
        )
        assert ready is True, zxo.said()
        assert zxo.process.poll() is None, zxo.said()
        yield zxo, client


def zxo(folder: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Run a command to its end: exit status, standard output, standard error."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "zxo", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def log_in(client: httpx.Client, name: str) -> dict[str, str]:
    """The headers that `name` calls with."""
    answer = client.post("/v1/auth/wechat/login", json={"code": f"dev:{name}"})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['data']['token']}"}


def still_alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    def lives(process: psutil.Process) -> bool:
        with suppress(psutil.NoSuchProcess):
            return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
        return False

    return [process for process in processes if lives(process)]


class Server:
    """PostgreSQL or Valkey of this test alone: to be killed, and started again on its data."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self.start()

    def start(self) -> None:
        before = set(psutil.Process().children())
        self._stack = ExitStack()
        self.endpoints = self._stack.enter_context(
            embedded.services(
                self._folder,
                postgres=self._name == "postgres",
                valkey=self._name == "valkey",
                postgres_settings=FAST,
            )
        )
        self._process = next(iter(set(psutil.Process().children()) - before))

    @property
    def url(self) -> str:
        return self.endpoints.database_url or self.endpoints.redis_url

    def kill(self) -> None:
        for process in [*self._process.children(recursive=True), self._process]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._stack.close()

    def stop(self) -> None:
        self._stack.close()
