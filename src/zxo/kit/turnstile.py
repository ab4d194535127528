"""A few at a time, and nobody waits for long: keeps costly queries from crowding out the others."""

import asyncio
from types import TracebackType

from zxo.kit.errors import Unavailable


class Turnstile:
    """Lets `at_once` in; whoever has waited `patience` seconds is sent away."""

    def __init__(self, at_once: int, patience: float = 2.0) -> None:
        self._gate = asyncio.Semaphore(at_once)
        self._patience = patience

    async def __aenter__(self) -> None:
        """Raises Unavailable."""
        try:
            async with asyncio.timeout(self._patience):
                await self._gate.acquire()
        except TimeoutError:
            raise Unavailable("too many are waiting for the same work") from None

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._gate.release()
