"""Two providers of language models on loopback, the first and the next one, and who asks them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from tests.fakes.chat_completions import FakeChat
from zxo.clients import chat_provider
from zxo.clients.chat_provider import ChatProvider
from zxo.clients.models import Message, Models

KEY = "sk-k7-battle-staple"
ASKED = (Message("system", "你是戒烟教练"), Message("user", "想抽烟怎么办？"))
Made = Callable[..., Models]


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[FakeChat]]:
    """Two providers: the one that is asked first, and the next one."""
    monkeypatch.setattr(chat_provider, "PAUSES", (0.0, 0.0))
    with ExitStack() as stack:
        yield [stack.enter_context(FakeChat(KEY)) for _ in range(2)]


@pytest.fixture
def first(fakes: list[FakeChat]) -> FakeChat:
    return fakes[0]


@pytest.fixture
def second(fakes: list[FakeChat]) -> FakeChat:
    return fakes[1]


@pytest_asyncio.fixture
async def made(fakes: list[FakeChat]) -> AsyncIterator[Made]:
    """Models of those providers, with shorter time-outs where a test says so."""
    all_made = []

    def make(**options: object) -> Models:
        names = ("first", "second")
        providers = [
            ChatProvider(name, fake.url, KEY, f"{name}-model")
            for name, fake in zip(names, fakes, strict=True)
        ]
        all_made.append(Models(providers, **options))
        return all_made[-1]

    yield make
    for models in all_made:
        await models.close()


async def told(models: Models) -> tuple[str, str]:
    """Who answered, and what."""
    async with models.answer(ASKED, 500) as answer:
        return answer.provider, "".join([piece async for piece in answer])


def calls(provider: str, outcome: str) -> float:
    labels = {"provider": provider, "outcome": outcome}
    return REGISTRY.get_sample_value("model_calls_total", labels) or 0


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.005)
