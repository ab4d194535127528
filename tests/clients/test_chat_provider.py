"""What is asked of a provider, and when it is asked again: against a real server on loopback."""

import gzip
import socket
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
import pytest_asyncio

from tests.clients.two_providers import ASKED, KEY, until
from tests.fakes.chat_completions import (
    HANG,
    PATH,
    FakeChat,
    Reply,
    breaks_off,
    garbage,
    page,
    refuses,
    says,
    whole,
)
from tests.processes import free_port
from zxo.clients import chat_provider
from zxo.clients.chat_answers import Chunk, ProviderFailed, Usage
from zxo.clients.chat_provider import ChatProvider

UNKNOWN = "unsupported_parameter"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeChat]:
    monkeypatch.setattr(chat_provider, "PAUSES", (0.0, 0.0))
    with FakeChat(KEY) as fake:
        yield fake


@pytest_asyncio.fixture
async def provider(fake: FakeChat) -> AsyncIterator[ChatProvider]:
    provider = ChatProvider("deepseek", f"{fake.url}/", KEY, "deepseek-chat")
    yield provider
    await provider.close()


async def chunks(provider: ChatProvider, max_tokens: int = 500) -> list[Chunk]:
    async with provider.ask(ASKED, max_tokens) as answer:
        return [chunk async for chunk in answer]


async def text(provider: ChatProvider) -> str:
    return "".join(chunk.text for chunk in await chunks(provider))


async def failed(provider: ChatProvider) -> ProviderFailed:
    with pytest.raises(ProviderFailed) as caught:
        await chunks(provider)
    return caught.value


async def test_the_request_is_what_the_protocol_says(
    fake: FakeChat, provider: ChatProvider
) -> None:
    await chunks(provider, 321)

    [asked] = fake.asked
    assert asked.path == PATH
    assert asked.body == {
        "model": "deepseek-chat",
        "messages": [
            {"role": "system", "content": "你是戒烟教练"},
            {"role": "user", "content": "想抽烟怎么办？"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.7,
        "max_tokens": 321,
    }
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["accept-encoding"] == "identity"


async def test_without_a_key_none_is_sent(fake: FakeChat) -> None:
    fake.key = ""
    provider = ChatProvider("ollama", fake.url, "", "m", limit_name="max_completion_tokens")
    await chunks(provider)
    await provider.close()

    [asked] = fake.asked
    assert "authorization" not in asked.headers
    assert (asked.body.get("max_tokens"), asked.body["max_completion_tokens"]) == (None, 500)


async def test_a_server_that_does_not_stream_is_understood(
    fake: FakeChat, provider: ChatProvider
) -> None:
    fake.replies = [whole("深呼吸"), replace(whole("好"), headers={})]
    assert await chunks(provider) == [Chunk("深呼吸", False, "stop", Usage(21, 9))]
    assert await text(provider) == "好"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 529])
async def test_what_passes_is_tried_again(
    fake: FakeChat, provider: ChatProvider, status: int
) -> None:
    fake.replies = [refuses(status), refuses(status), says("好")]
    assert await text(provider) == "好"
    assert len(fake.asked) == 3


async def test_it_is_tried_three_times_at_most(fake: FakeChat, provider: ChatProvider) -> None:
    fake.otherwise = refuses(429, "rate_limit_exceeded")
    error = await failed(provider)
    assert (str(error), error.counts) == ("busy: 429 rate_limit_exceeded", True)
    assert len(fake.asked) == 3


@pytest.mark.parametrize("status", [301, 307, 400, 401, 402, 403, 404, 410, 413, 422, 501])
async def test_what_stays_is_not_tried_again(
    fake: FakeChat, provider: ChatProvider, status: int
) -> None:
    with FakeChat() as elsewhere:
        fake.otherwise = refuses(status, headers={"Location": f"{elsewhere.url}/chat/completions"})
        error = await failed(provider)
        assert elsewhere.asked == []
    assert (error.reason, error.counts) == ("refused", status not in {400, 413, 422})
    assert len(fake.asked) == 1


@pytest.mark.parametrize("reply", [garbage(), page(), breaks_off(), breaks_off("深")])
async def test_a_bad_answer_is_not_asked_for_again(
    fake: FakeChat, provider: ChatProvider, reply: Reply
) -> None:
    fake.otherwise = reply
    await failed(provider)
    assert len(fake.asked) == 1


async def test_a_connection_that_is_closed_without_a_word_is_tried_again(
    fake: FakeChat, provider: ChatProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await text(provider)
    monkeypatch.setattr(chat_provider, "PAUSES", (0.0, 0.3))
    fake.hang_up = 2
    assert await text(provider)
    assert len(fake.asked) == 4

    fake.hang_up = 3
    error = await failed(provider)
    assert (error.reason, error.counts) == ("unreachable", True)


async def test_a_closed_port_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_provider, "PAUSES", (0.0, 0.0))
    provider = ChatProvider("custom", f"http://127.0.0.1:{free_port()}", KEY, "m")
    assert str(await failed(provider)) == "unreachable: ConnectError"
    await provider.close()


async def test_a_host_that_takes_no_connection_is_given_up_after_one_try() -> None:
    with socket.socket() as full, socket.socket() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # one waits to be accepted, and nobody else may come
        waiting.connect(full.getsockname())
        provider = ChatProvider(
            "custom", f"http://127.0.0.1:{full.getsockname()[1]}", KEY, "m", connect=0.3
        )
        began = time.monotonic()

        assert str(await failed(provider)) == "unreachable: ConnectTimeout"

        assert time.monotonic() - began < 0.9
        await provider.close()


@pytest.mark.parametrize(
    ("said", "waited"), [("0.3", 0.3), ("0", 0), ("soon", None), ("3", None), ("1e9", None)]
)
async def test_a_provider_says_when_to_come_back(
    fake: FakeChat, provider: ChatProvider, said: str, waited: float | None
) -> None:
    fake.replies = [refuses(503, headers={"Retry-After": said}), says("好")]
    began = time.monotonic()
    if waited is None:
        assert (await failed(provider)).reason == "busy"
    else:
        assert await text(provider) == "好"
        assert waited <= time.monotonic() - began < waited + 2


async def test_the_pauses_grow_and_are_not_all_alike(
    fake: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(chat_provider, "PAUSES", (0.25, 0.75))
    # Only its own: with asyncio's, whatever else runs in this loop would not sleep either.
    monkeypatch.setattr(chat_provider, "sleep", sleep)
    fake.otherwise = refuses(500)
    provider = ChatProvider("custom", fake.url, KEY, "m")
    for _ in range(10):
        await failed(provider)
    await provider.close()

    assert all(0.125 <= pause <= 0.375 for pause in slept[::2])
    assert all(0.375 <= pause <= 1.125 for pause in slept[1::2])
    assert len(set(slept)) > 10


async def test_what_a_model_does_not_know_is_left_out_from_then_on(
    fake: FakeChat, provider: ChatProvider
) -> None:
    fake.replies = [
        refuses(400, "unsupported_value", param="temperature"),
        refuses(400, UNKNOWN, param="max_tokens"),
        says("好"),
    ]
    for _ in range(2):
        assert await text(provider)

    bodies = [set(asked.body) for asked in fake.asked]
    assert bodies[0] == {
        *("model", "messages", "stream", "stream_options", "temperature", "max_tokens")
    }
    assert bodies[1] == bodies[0] - {"temperature"}
    assert bodies[2] == bodies[3] == bodies[1] - {"max_tokens"} | {"max_completion_tokens"}


@pytest.mark.parametrize("param", ["messages", "model", "max_completion_tokens", "no_such"])
async def test_nothing_else_is_left_out(fake: FakeChat, provider: ChatProvider, param: str) -> None:
    fake.otherwise = refuses(400, UNKNOWN, param=param)
    await failed(provider)
    assert len(fake.asked) == 1


async def test_a_model_that_knows_neither_limit_is_refused(
    fake: FakeChat, provider: ChatProvider
) -> None:
    fake.replies = [
        refuses(400, UNKNOWN, param="max_tokens"),
        refuses(400, UNKNOWN, param="max_completion_tokens"),
    ]
    assert (await failed(provider)).reason == "refused"
    assert len(fake.asked) == 2


async def test_what_is_packed_is_not_unpacked(fake: FakeChat, provider: ChatProvider) -> None:
    bomb = gzip.compress(b"data: " + b"a" * 50_000_000)
    headers = {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"}
    fake.replies = [Reply([bomb], headers=headers)]
    assert str(await failed(provider)) == "unreadable: packed"


@pytest.mark.parametrize("size", [1, 5000])
async def test_a_refusal_without_end_is_not_read_to_its_end(
    fake: FakeChat, provider: ChatProvider, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_provider, "ERROR_SECONDS", 0.1 if size == 1 else 9.0)
    fake.otherwise = Reply([b"x" * size, HANG], status=401)
    began = time.monotonic()
    assert str(await failed(provider)) == "refused: 401"
    assert time.monotonic() - began < 2


async def test_whatever_is_not_read_is_hung_up_on(fake: FakeChat, provider: ChatProvider) -> None:
    fake.replies = [replace(page(), steps=[b"<html>", HANG])]
    await failed(provider)
    await until(lambda: fake.gone)
    assert fake.open_now == 0


@pytest.mark.parametrize("code", [KEY, "sk-{key}", "a" * 61, "a\nb", 17, None, {"a": "b"}])
async def test_of_an_error_only_a_code_of_words_is_repeated(
    fake: FakeChat, provider: ChatProvider, code: object
) -> None:
    fake.otherwise = refuses(402, code)
    assert str(await failed(provider)) == "refused: 402"
