"""The processes under measurement: who runs on which core, how they start, how they end."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped,unused-ignore] # it ships no types

from bench.load import Address
from zxo.embedded import Endpoints
from zxo.kit.lifeline import end_group

HOST = "127.0.0.1"
READY_SECONDS = 60.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.02
REPOSITORY = Path(__file__).resolve().parents[1]
MEGABYTE = 1 << 20


class ServerError(Exception):
    """A server does not start; the text is for the person at the terminal."""


def cores() -> tuple[int, int] | None:
    """The core of the server and that of the load generator; None where they cannot be chosen."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else None


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Keep this thread, and every process that it starts meanwhile, on one core."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Site:
    """Starts processes with one environment in one folder; all are gone when `stack` closes."""

    def __init__(self, folder: Path, endpoints: Endpoints, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        # Nothing of the caller's: a DATABASE_URL there, or a .env, would be measured instead.
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": f"{REPOSITORY / 'src'}:{REPOSITORY}",
            "TERM": os.environ.get("TERM", "dumb"),
            "APP_ENV": "development",
            "DATABASE_URL": endpoints.database_url,
            "REDIS_URL": endpoints.redis_url,
            "JWT_SECRET": secrets.token_urlsafe(48),
            "RATE_LIMITS": "off",
            "LOG_LEVEL": "WARNING",
        }

    def run(self, *module: str) -> None:
        """Run `python -m MODULE …` to its end, in sight of the person. Raises ServerError."""
        done = subprocess.run(
            [sys.executable, "-m", *module], env=self._environment, cwd=self.folder, check=False
        )
        if done.returncode:
            raise ServerError(f"{' '.join(module)} ended with status {done.returncode}")

    def start(self, *module: str, core: int | None = None, **variables: str) -> "Child":
        """Start `python -m MODULE …`, kept on `core` with everything that it starts."""
        log = self.folder / f"{'-'.join(module[:2])}.log"
        with on_core(core), log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *module],
                env=self._environment | variables,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child = Child(process, log)
        self._stack.callback(child.stop)
        return child

    def listen(
        self, *module: str, core: int | None = None, **variables: str
    ) -> tuple[Address, "Child"]:
        """`start` with a free port as the last argument; returns when it takes connections."""
        address = Address(HOST, free_port())
        child = self.start(*module, str(address.port), core=core, **variables)
        child.await_listening(address)
        return address, child


class Child:
    """One started process, and what it started itself."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self._process = process
        self._log = log

    def await_listening(self, address: Address) -> None:
        """Raises ServerError."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            self.check()
            with suppress(OSError), socket.create_connection(address, timeout=1):
                return
            time.sleep(POLL_SECONDS)
        raise ServerError(f"nothing listens on {address.host}:{address.port}")

    def check(self) -> None:
        """Raises ServerError where the process has ended."""
        if self._process.poll() is not None:
            tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
            raise ServerError(f"{self._log.stem} ended with status {self._process.poll()}\n{tail}")

    def memory_mb(self) -> tuple[float, float]:
        """Resident: of the process that serves (the largest), and of all together."""
        leader = psutil.Process(self._process.pid)
        sizes = [p.memory_info().rss / MEGABYTE for p in (leader, *leader.children(recursive=True))]
        return max(sizes), sum(sizes)

    def serving(self) -> int:
        """The id of the process that serves (the largest)."""
        leader = psutil.Process(self._process.pid)
        family = (leader, *leader.children(recursive=True))
        return int(max(family, key=lambda process: process.memory_info().rss).pid)

    def stop(self) -> None:
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        end_group(self._process.pid)
        self._process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
