"""Who is asked, who is given up, who is left alone: against real servers on loopback."""

import asyncio
import time

import pytest
from prometheus_client import REGISTRY

from tests.clients.two_providers import (
    ASKED,
    KEY,
    Made,
    calls,
    fakes,
    first,
    made,
    second,
    told,
    until,
)
from tests.fakes.chat_completions import (
    DONE,
    HANG,
    RESET,
    START,
    STOP,
    FakeChat,
    Reply,
    breaks_off,
    error_in_stream,
    garbage,
    hangs,
    page,
    piece,
    refuses,
    says,
    thought,
    whole,
)
from tests.processes import free_port
from zxo.clients import chat_provider
from zxo.clients.chat_provider import ChatProvider
from zxo.clients.models import AnswerCut, Models, NoModelAnswers, Usage
from zxo.kit.breaker import Breaker

__all__ = ["fakes", "first", "made", "second"]


async def test_an_answer_comes_in_pieces_and_says_who_gave_it_and_what_it_cost(
    made: Made, first: FakeChat, second: FakeChat
) -> None:
    models = made()
    async with models.answer(ASKED, 500) as answer:
        assert [piece async for piece in answer] == ["深呼吸，", "喝一杯水。"]
        assert [piece async for piece in answer] == []

    assert (answer.provider, answer.model) == ("first", "first-model")
    assert (answer.usage, answer.finish_reason) == (Usage(21, 9), "stop")
    assert (len(first.asked), len(second.asked)) == (1, 0)


async def test_usage_is_unknown_where_the_provider_does_not_say_it(
    made: Made, first: FakeChat
) -> None:
    first.replies = [says("好", usage=None)]
    async with made().answer(ASKED, 500) as answer:
        assert [piece async for piece in answer] == ["好"]
    assert answer.usage is None


async def test_nobody_is_configured() -> None:
    models = Models([])
    assert not models.configured
    with pytest.raises(NoModelAnswers):
        await told(models)
    await models.close()


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (refuses(500), "busy"),
        (refuses(429, "rate_limit_exceeded"), "busy"),
        (refuses(529), "busy"),
        (refuses(400), "refused"),
        (refuses(401), "refused"),
        (refuses(402), "refused"),
        (refuses(404), "refused"),
        (refuses(302, headers={"Location": "https://elsewhere.test"}), "refused"),
        (garbage(), "unreadable"),
        (page(), "unreadable"),
        (Reply([b"[1]"]), "unreadable"),
        (Reply([b"{}"]), "empty"),
        (Reply([]), "unreadable"),
        (error_in_stream(), "error"),
        (breaks_off(), "cut"),
        (Reply([START]), "cut"),
        (Reply([RESET]), "cut"),
        (says(), "empty"),
        (says("", ""), "empty"),
        (whole(""), "empty"),
    ],
)
async def test_who_gives_no_answer_is_followed_by_the_next(
    made: Made, first: FakeChat, second: FakeChat, reply: Reply, outcome: str
) -> None:
    first.otherwise = reply
    before = calls("first", outcome)
    assert await told(made()) == ("second", "深呼吸，喝一杯水。")
    assert calls("first", outcome) - before == 1
    assert len(second.asked) == 1


async def test_who_is_not_there_is_followed_by_the_next(made: Made, fakes: list[FakeChat]) -> None:
    gone = ChatProvider("gone", f"http://127.0.0.1:{free_port()}", KEY, "m")
    there = ChatProvider("there", fakes[1].url, KEY, "m")
    models = Models([gone, there])
    assert (await told(models))[0] == "there"
    assert calls("gone", "unreachable") == 1
    await models.close()


@pytest.mark.parametrize(
    "reply",
    [
        says("晚", after=5.0),
        hangs(),
        Reply([HANG]),
        Reply(before=5.0),
        Reply([b": keep-alive\n\n", 0.1] * 30),
    ],
)
async def test_who_takes_too_long_to_begin_is_followed_by_the_next(
    made: Made, first: FakeChat, reply: Reply
) -> None:
    first.otherwise = reply
    began = time.monotonic()
    assert (await told(made(first_token=0.5)))[0] == "second"
    assert 0.5 <= time.monotonic() - began < 3
    await until(lambda: first.gone)


async def test_retries_are_part_of_the_time_to_begin(
    made: Made, first: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_provider, "PAUSES", (0.2, 9.0))
    first.otherwise = refuses(503)
    began = time.monotonic()
    assert (await told(made(first_token=1.0)))[0] == "second"
    assert time.monotonic() - began < 4
    assert len(first.asked) == 2


async def test_nobody_answers(made: Made, first: FakeChat, second: FakeChat) -> None:
    first.otherwise, second.otherwise = refuses(401), hangs()
    with pytest.raises(NoModelAnswers):
        await told(made(first_token=0.2))


async def test_the_whole_time_bounds_all_providers_together(
    made: Made, first: FakeChat, second: FakeChat
) -> None:
    first.otherwise = second.otherwise = hangs()
    began, before = time.monotonic(), calls("second", "rested")
    with pytest.raises(NoModelAnswers):
        await told(made(first_token=0.3, total=0.3))
    assert time.monotonic() - began < 2.5
    assert second.asked == []
    assert calls("second", "rested") - before == 1, "no time was left, which is no failure"


async def test_a_model_that_thinks_first_is_alive(made: Made, first: FakeChat) -> None:
    thinks = [part for _ in range(6) for part in (thought("嗯"), 0.15)]
    first.otherwise = Reply([START, *thinks, piece("好"), STOP, DONE])
    assert await told(made(first_token=0.6)) == ("first", "好")


async def test_a_model_that_only_thinks_is_given_up_in_the_end(made: Made, first: FakeChat) -> None:
    first.otherwise = Reply([START, *[part for _ in range(60) for part in (thought("嗯"), 0.1)]])
    began = time.monotonic()
    with pytest.raises(NoModelAnswers):
        await told(made(first_token=0.3, total=0.8))
    assert time.monotonic() - began < 3


async def test_five_failures_leave_a_provider_alone(
    made: Made, first: FakeChat, second: FakeChat
) -> None:
    first.otherwise = refuses(401)
    models = made()
    before = calls("first", "rested")
    for _ in range(8):
        assert (await told(models))[0] == "second"

    assert (len(first.asked), len(second.asked)) == (5, 8)
    assert calls("first", "rested") - before == 3
    labels = {"provider": "first"}
    assert REGISTRY.get_sample_value("model_breaker_open", labels) == 1
    assert REGISTRY.get_sample_value("model_breaker_open", {"provider": "second"}) == 0


async def test_when_all_are_left_alone_nobody_is_asked(
    made: Made, first: FakeChat, second: FakeChat
) -> None:
    first.otherwise = second.otherwise = refuses(402)
    models = made()
    for _ in range(6):
        with pytest.raises(NoModelAnswers):
            await told(models)
    assert (len(first.asked), len(second.asked)) == (5, 5)


async def test_answers_that_break_off_count_as_failures(made: Made, first: FakeChat) -> None:
    first.otherwise = breaks_off("深")
    models = made()
    for _ in range(5):
        with pytest.raises(AnswerCut):
            await told(models)
    assert (await told(models))[0] == "second"


@pytest.mark.parametrize("reply", [refuses(400), refuses(422), says(finish="content_filter")])
async def test_what_the_question_is_to_blame_for_does_not_count(
    made: Made, first: FakeChat, reply: Reply
) -> None:
    first.otherwise = reply
    models = made()
    for _ in range(7):
        assert (await told(models))[0] == "second"
    assert len(first.asked) == 7


async def test_after_its_rest_exactly_one_of_twenty_tries_a_provider(
    made: Made, first: FakeChat, second: FakeChat
) -> None:
    seconds = [0.0]
    models = made(breaker=lambda: Breaker(now=lambda: seconds[0]))
    first.otherwise = refuses(401)
    for _ in range(5):
        await told(models)
    seconds[0] += 30
    first.otherwise = says("又", "好", "了", between=0.1)
    second.otherwise = says("好", between=0.1)

    answers = await asyncio.gather(*(told(models) for _ in range(20)))

    assert sorted(name for name, _ in answers) == ["first"] + ["second"] * 19
    assert len(first.asked) == 6
    assert (await told(models))[0] == "first"
