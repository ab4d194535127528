"""People for whom the coach is open, at an application with a model and at one without."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from tests.conftest import client_of, make_settings, running
from tests.factories import FrozenClock, Visitor, data
from tests.fakes.chat_completions import FakeChat
from zxo.context import Context
from zxo.embedded import Endpoints
from zxo.settings import ModelSettings, Settings
from zxo.settings.models import CustomModelSettings

ASK_A_MODEL = "我女儿下个月结婚，我想在那之前彻底戒掉，你觉得我该怎么跟她说这件事？"
COMMON = "戒烟后身体多久能恢复？"


@pytest.fixture
def provider() -> Iterator[FakeChat]:
    with FakeChat() as fake:
        yield fake


@pytest_asyncio.fixture
async def modelled(
    services: Endpoints,
    settings: Settings,
    clock: FrozenClock,
    ctx: Context,
    provider: FakeChat,
) -> AsyncIterator[FastAPI]:
    """An application on the same servers whose coach asks the provider."""
    models = ModelSettings(
        providers=("custom",),
        custom=CustomModelSettings(base_url=provider.url, model="test-model", key="test-key"),
    )
    same = {"tokens": settings.tokens, "keys": settings.keys, "models": models}
    async with running(make_settings(services, **same), clock) as app:
        yield app


@pytest_asyncio.fixture
async def model_client(modelled: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(modelled) as client:
        yield client


@pytest_asyncio.fixture
async def member(alice: Visitor) -> Visitor:
    """Alice with AI, where there is no model."""
    return await opened(alice)


@pytest_asyncio.fixture
async def asker(model_client: httpx.AsyncClient) -> Visitor:
    """Somebody with AI, where there is a model."""
    return await opened(await Visitor(model_client).log_in("asker"))


async def opened(person: Visitor, code: str = "SVIP") -> Visitor:
    """For whom the coach is open from now on."""
    data(await person.post("/redeem-codes/redeem", code=code))
    return person


async def ask(person: Visitor, message: str = ASK_A_MODEL, **body: Any) -> Any:
    return data(await person.post("/ai/chat", message=message, **body))


async def used(person: Visitor) -> tuple[int, int]:
    """Messages and tokens of today."""
    quota = data(await person.get("/ai/quota"))
    return quota["messages"]["used"], quota["tokens"]["used"]


async def told(person: Visitor, conversation_id: str) -> list[tuple[str, str]]:
    """Who said what in a conversation."""
    answer = await person.get("/ai/conversations", conversationId=conversation_id)
    return [(one["role"], one["content"]) for one in data(answer)["messages"]]


def events_of(text: str) -> list[tuple[str, Any]]:
    """The events of a stream: their names and data."""
    found = []
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith(":")]
        if lines:
            name, content = (line.partition(": ")[2] for line in lines)
            found.append((name, json.loads(content)))
    return found
