"""Language models: an ordered list of providers, of which the first that answers is heard."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Literal, Protocol
from weakref import WeakSet

from structlog import get_logger

from zxo.clients.chat_answers import Chunk, Message, ProviderFailed, Reason, Usage
from zxo.kit import metrics
from zxo.kit.breaker import Breaker, Ticket

__all__ = [
    "AnswerCut",
    "Message",
    "ModelAnswer",
    "Models",
    "NoModelAnswers",
    "Provider",
    "Usage",
]

log = get_logger(__name__)

FIRST_TOKEN_SECONDS = 10.0
TOTAL_SECONDS = 60.0
TAIL_SECONDS = 2.0  # for the usage, once the text is whole


class NoModelAnswers(Exception):
    """None is configured, all are left alone for a while, or none began to answer in time."""


class AnswerCut(Exception):
    """The answer broke off after it had begun; what was handed on is a part of it."""


class Provider(Protocol):
    """Whoever runs a model. `name` is a label of metrics."""

    name: str
    model: str

    def ask(
        self, messages: Sequence[Message], max_tokens: int
    ) -> AbstractAsyncContextManager[AsyncGenerator[Chunk, None]]:
        """One answer; to leave hangs up. Raises ProviderFailed, at once or while it is read."""

    async def close(self) -> None: ...


class _Call:
    """Tells the breaker and the metrics how a call ended; the first word stands."""

    def __init__(self, provider: Provider, breaker: Breaker, ticket: Ticket) -> None:
        self._provider, self._breaker, self._ticket = provider, breaker, ticket
        self._over = False

    def ends(self, reason: Reason, how: Literal["well", "badly", "unknown"], why: str = "") -> None:
        if self._over:
            return
        self._over = True
        name, breaker = self._provider.name, self._breaker
        was_open = breaker.is_open
        {"well": breaker.succeeded, "badly": breaker.failed, "unknown": breaker.left}[how](
            self._ticket
        )
        metrics.model_calls.labels(name, reason).inc()
        metrics.model_breaker_open.labels(name).set(breaker.is_open)
        if reason not in {"answered", "left"}:
            log.warning(
                "model_failed", provider=name, model=self._provider.model, reason=reason, detail=why
            )
        if breaker.is_open and not was_open:
            log.error("model_left_alone", provider=name)


class ModelAnswer:
    """One answer on its way: an iterator of its pieces, none of which is empty.

    `usage` is known at the end, where the provider says it. Raises AnswerCut.
    """

    def __init__(self, provider: Provider, call: _Call, until: float) -> None:
        self.provider, self.model = provider.name, provider.model
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self._call, self._until = call, until
        self._line = AsyncExitStack()
        self._chunks: AsyncGenerator[Chunk, None]
        self._waiting: asyncio.Timeout | None = None
        self._stops = False
        self._first = ""
        self._over = False

    def stop_at(self, until: float) -> None:
        """Break off what has not ended by then."""
        if until >= self._until:
            return
        self._until, self._stops = until, True
        if self._waiting and (self._waiting.when() or until) >= until:
            self._waiting.reschedule(until)

    def __aiter__(self) -> "ModelAnswer":
        return self

    async def __anext__(self) -> str:
        if self._over:
            raise StopAsyncIteration
        piece = self._first or await self._next()
        self._first = ""
        if not piece:
            self._over = True
            self._call.ends("answered", "well")
            raise StopAsyncIteration
        return piece

    async def begin(
        self, answer: AbstractAsyncContextManager[AsyncGenerator[Chunk, None]], patience: float
    ) -> None:
        """Wait for the first piece, for `patience` seconds. Nothing is open where this raises.

        Thoughts, which some models stream before they write, are signs of life: the waiting begins
        anew. Raises ProviderFailed.
        """
        until = min(_now() + patience, self._until)
        async with AsyncExitStack() as line:
            try:
                async with self._limited(until) as limit:
                    self._chunks = await line.enter_async_context(answer)
                    self._first = await self._text(limit, patience)
            except TimeoutError:
                if self.finish_reason is None:
                    raise ProviderFailed("slow") from None
            if not self._first:
                # What somebody wrote may be what a filter is for: not the provider's fault.
                raise ProviderFailed("empty", counts=self.finish_reason != "content_filter")
            self._line = line.pop_all()

    async def leave(self) -> None:
        """Hang up; nothing is left to do where the answer is over."""
        self._over = True
        self._call.ends("left", "well")
        await self._line.aclose()

    async def _next(self) -> str:
        """The next piece; empty at the end. Raises AnswerCut."""
        now = _now()
        until = min(now, self._until) + TAIL_SECONDS if self.finish_reason else self._until
        if now >= until:
            # Whoever reads was away for so long: not the provider's fault.
            raise self._cut("slow", "unknown", "read slowly")
        try:
            async with self._limited(until) as limit:
                return await self._text(limit)
        except (ProviderFailed, TimeoutError) as error:
            if self.finish_reason:  # the text is whole
                return ""
            if self._stops and isinstance(error, TimeoutError):
                raise self._cut("left", "unknown", "the process stops") from None
            raise self._cut("cut", "badly", str(error) or "total time-out") from None

    @asynccontextmanager
    async def _limited(self, until: float) -> AsyncIterator[asyncio.Timeout]:
        async with asyncio.timeout_at(until) as limit:
            self._waiting = limit
            try:
                yield limit
            finally:
                self._waiting = None

    def _cut(self, reason: Reason, how: Literal["badly", "unknown"], why: str) -> AnswerCut:
        self._over = True
        self._call.ends(reason, how, why)
        return AnswerCut(f"{self.provider}: {why}")

    async def _text(self, limit: asyncio.Timeout, patience: float = 0.0) -> str:
        """The next piece; empty at the end. Moves `limit` where what comes is no text."""
        async for chunk in self._chunks:
            self.usage = chunk.usage or self.usage
            self.finish_reason = chunk.finish_reason or self.finish_reason
            if chunk.text:
                return chunk.text
            if self.finish_reason:
                limit.reschedule(min(_now(), self._until) + TAIL_SECONDS)
            elif chunk.thinking and patience:
                limit.reschedule(min(_now() + patience, self._until))
        return ""


class Models:
    """`first_token`: seconds for each provider, its retries included; `total`: for everything."""

    def __init__(
        self,
        providers: Sequence[Provider],
        *,
        first_token: float = FIRST_TOKEN_SECONDS,
        total: float = TOTAL_SECONDS,
        breaker: Callable[[], Breaker] = Breaker,
    ) -> None:
        self._providers = [(provider, breaker()) for provider in providers]
        self._first_token, self._total = first_token, total
        self._stops_at = math.inf
        self._underway = WeakSet[ModelAnswer]()
        for provider in providers:
            metrics.model_breaker_open.labels(provider.name).set(0)

    @property
    def configured(self) -> bool:
        return bool(self._providers)

    def stop_within(self, seconds: float) -> None:
        """Break off the answers that have not ended by then, and those that begin meanwhile."""
        self._stops_at = _now() + seconds
        for answer in self._underway:
            answer.stop_at(self._stops_at)

    async def close(self) -> None:
        for provider, _ in self._providers:
            await provider.close()

    @asynccontextmanager
    async def answer(
        self, messages: Sequence[Message], max_tokens: int
    ) -> AsyncIterator[ModelAnswer]:
        """Ask one after the other until one begins to answer; to leave hangs up.

        Once a piece was handed on, nobody else is asked. Raises NoModelAnswers.
        """
        answer = await self._begun(messages, max_tokens)
        try:
            yield answer
        finally:
            await answer.leave()

    async def _begun(self, messages: Sequence[Message], max_tokens: int) -> ModelAnswer:
        until = _now() + self._total
        for provider, breaker in self._providers:
            ticket = breaker.enter() if _now() < min(until, self._stops_at) else None
            if ticket is None:
                metrics.model_calls.labels(provider.name, "rested").inc()
                continue
            call = _Call(provider, breaker, ticket)
            answer = ModelAnswer(provider, call, until)
            answer.stop_at(self._stops_at)
            self._underway.add(answer)
            if await self._begins(answer, call, provider.ask(messages, max_tokens)):
                return answer
        raise NoModelAnswers

    async def _begins(
        self,
        answer: ModelAnswer,
        call: _Call,
        asked: AbstractAsyncContextManager[AsyncGenerator[Chunk, None]],
    ) -> bool:
        began = _now()
        try:
            await answer.begin(asked, self._first_token)
        except ProviderFailed as failed:
            call.ends(failed.reason, "badly" if failed.counts else "unknown", failed.detail)
            return False
        # CancelledError among them: whoever asked has gone, and the breaker must not wait for us.
        except BaseException:
            call.ends("left", "unknown")
            raise
        metrics.model_first_token.labels(answer.provider).observe(_now() - began)
        return True


def _now() -> float:
    """Seconds, by the clock of the loop's time-outs."""
    return asyncio.get_running_loop().time()
