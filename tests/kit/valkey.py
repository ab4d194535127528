"""A Valkey of a test's own, to be killed, stopped and started again."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import psutil
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from zxo import embedded


class OwnValkey:
    """The server of one data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self.url = ""
        self.start()

    def start(self) -> None:
        self._stack = ExitStack()
        running = self._stack.enter_context(embedded.services(self._folder, postgres=False))
        self.url = running.redis_url

    def process(self) -> psutil.Process:
        """Our child over our folder, and no other."""
        inside = [
            child
            for child in psutil.Process().children()
            if child.name() == "valkey-server" and Path(child.cwd()).is_relative_to(self._folder)
        ]
        (found,) = inside
        return found

    def kill(self) -> None:
        process = self.process()
        process.send_signal(SIGKILL)
        process.wait()
        self._stack.close()

    @contextmanager
    def hung(self) -> Iterator[None]:
        """It accepts connections and answers nothing."""
        process = self.process()
        process.send_signal(SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(SIGCONT)

    def close(self) -> None:
        self._stack.close()


def client(url: str) -> Redis:
    """A client with the patience of the application's own."""
    retry = Retry(NoBackoff(), 0)
    return Redis.from_url(url, socket_timeout=1.0, socket_connect_timeout=1.0, retry=retry)
