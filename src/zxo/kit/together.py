"""Questions that come at the same moment, asked as one.

A round trip costs the process more than the answer does: while one is under way, further questions
gather, and travel together with the next.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")
Answer = Callable[[Sequence[Q]], Awaitable[Sequence[A]]]


class Together(Generic[Q, A]):
    """Gathers questions for `answer`, which gives an answer to each, in their order."""

    def __init__(self, answer: Answer[Q, A], most: int) -> None:
        self._answer = answer
        self._most = most
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def ask(self, question: Q) -> A:
        """The answer. Raises what `answer` raises, to all who are waiting then."""
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_all())
        return await future

    async def _ask_all(self) -> None:
        try:
            while self._waiting:
                together, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                answers = await self._answer([question for question, _ in together])
                for (_, future), answer in zip(together, answers, strict=True):
                    if not future.done():  # whoever asked may have gone away
                        future.set_result(answer)
        except Exception as error:  # whoever waits is told, those whose turn has not come too
            for _, future in (*together, *self._waiting):
                _tell(future, error)
            self._waiting = []
        finally:
            self._asking = None


def _tell(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


class Gatherings:
    """The questions of one process, by topic."""

    def __init__(self) -> None:
        self._by_topic: dict[str, Together[Any, Any]] = {}

    def named(self, topic: str, answer: Answer[Q, A], most: int = 200) -> Together[Q, A]:
        """The gathering of `topic`, made when first asked for; at most `most` travel at once."""
        known = self._by_topic.get(topic)
        if known is None:
            known = self._by_topic[topic] = Together(answer, most)
        return known
