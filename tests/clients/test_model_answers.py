"""How an answer of a model goes on, breaks off and ends, and what happens when nobody listens."""

import asyncio
import time

import pytest

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
    counted,
    delta,
    error_in_stream,
    hangs,
    piece,
    refuses,
    says,
)
from tests.kit.captured import captured, lines
from zxo.clients.chat_provider import ChatProvider
from zxo.clients.models import AnswerCut, Models, NoModelAnswers

__all__ = ["fakes", "first", "made", "second"]


async def heard_until_cut(models: Models) -> list[str]:
    """What was handed on before it broke off."""
    heard = []
    async with models.answer(ASKED, 500) as answer:
        try:
            async for text in answer:
                heard.append(text)  # noqa: PERF401 - a comprehension would lose them
        except AnswerCut:
            assert [text async for text in answer] == []
            return heard
    raise AssertionError("it ended well")


@pytest.mark.parametrize(
    "reply",
    [
        breaks_off("深", "呼"),
        breaks_off("深", "呼", how=RESET),
        error_in_stream("深", "呼"),
        hangs("深", "呼"),
        Reply([START, piece("深"), piece("呼")]),
        Reply([START, piece("深"), piece("呼"), b"data: {\n\n"]),
        Reply([START, piece("深"), piece("呼"), b"x" * 300_000]),
        Reply([START, piece("深"), piece("呼"), *[piece("吸" * 9_000)] * 3, STOP, DONE]),
        Reply([START, piece("深") + piece("呼") + b"event: error\ndata: {}\n\n"]),
    ],
)
async def test_an_answer_that_breaks_off_is_cut_and_nobody_else_is_asked(
    made: Made, first: FakeChat, second: FakeChat, reply: Reply
) -> None:
    first.otherwise = reply
    before, heard = calls("first", "cut"), await heard_until_cut(made(total=1.0))

    assert heard[:2] == ["深", "呼"]
    assert sum(len(text.encode()) for text in heard) <= 65_536
    assert calls("first", "cut") - before == 1
    assert second.asked == []


@pytest.mark.parametrize(
    "tail",
    [
        [],
        [b"data: garb"],
        ["cut"],
        [delta(), b": bye\n\n", "reset"],
        [0.3, counted((1, 2)), HANG],
        [HANG],
    ],
)
async def test_an_answer_that_said_why_it_ended_is_whole_whatever_comes_then(
    made: Made, first: FakeChat, tail: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zxo.clients.models.TAIL_SECONDS", 0.6)
    first.otherwise = Reply([START, piece("好"), STOP, *tail])
    began = time.monotonic()
    assert await told(made()) == ("first", "好")
    assert time.monotonic() - began < 3


async def test_done_alone_ends_an_answer(made: Made, first: FakeChat) -> None:
    first.otherwise = Reply([piece("好"), DONE, HANG])
    assert await told(made()) == ("first", "好")


async def test_first_and_second_call_share_a_connection(made: Made, first: FakeChat) -> None:
    models = made()
    for _ in range(3):
        await told(models)
    assert (len(first.asked), first.connections) == (3, 1)


async def test_whoever_reads_slowly_is_cut_but_the_provider_is_not_to_blame(
    made: Made, first: FakeChat
) -> None:
    first.otherwise = says("深", "呼", "吸")
    models = made(total=1.0)

    async def read_slowly() -> None:
        async with models.answer(ASKED, 500) as answer:
            await anext(answer)
            await asyncio.sleep(1.1)
            with pytest.raises(AnswerCut):
                await anext(answer)

    await asyncio.gather(*(read_slowly() for _ in range(6)))
    assert (await told(models))[0] == "first"
    assert len(first.asked) == 7


async def test_whoever_leaves_in_the_middle_hangs_up_at_once(made: Made, first: FakeChat) -> None:
    first.otherwise = hangs("深", "呼")
    before = calls("first", "left")
    async with made().answer(ASKED, 500) as answer:
        assert await anext(answer) == "深"
        assert first.open_now == 1
        left = time.monotonic()

    await until(lambda: first.gone)
    assert first.gone[0] - left < 1
    assert first.open_now == 0
    assert [text async for text in answer] == []
    assert calls("first", "left") - before == 1


@pytest.mark.parametrize("reply", [hangs("深"), hangs(), Reply(before=9.0), says("深", after=9.0)])
async def test_whoever_is_cancelled_hangs_up_at_once(
    made: Made, first: FakeChat, second: FakeChat, reply: Reply
) -> None:
    first.otherwise = reply
    models = made()
    task = asyncio.create_task(told(models))
    await until(lambda: first.asked)
    await asyncio.sleep(0.05)
    left = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await until(lambda: first.gone)
    assert first.gone[0] - left < 1
    assert second.asked == []


async def test_whoever_leaves_is_no_failure(made: Made, first: FakeChat) -> None:
    first.otherwise = hangs("深")
    models = made()
    for _ in range(6):
        async with models.answer(ASKED, 500) as answer:
            await anext(answer)
    first.otherwise = hangs()
    for _ in range(6):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(told(models), 0.05)
    first.otherwise = says("好")
    assert await told(models) == ("first", "好")


async def test_an_error_of_whoever_listens_hangs_up_and_comes_out(
    made: Made, first: FakeChat
) -> None:
    first.otherwise = hangs("深")
    with pytest.raises(ZeroDivisionError):
        async with made().answer(ASKED, 500):
            raise ZeroDivisionError
    await until(lambda: first.gone)


async def test_a_piece_is_handed_on_as_soon_as_it_comes(made: Made, first: FakeChat) -> None:
    first.otherwise = says(*(f"{number}，" for number in range(20)), between=0.05)
    heard = {}
    async with made().answer(ASKED, 500) as answer:
        async for text in answer:
            heard[text] = time.monotonic()

    sent = {data: at for data, at in first.sent if "，".encode() in data}
    delays = sorted(heard[f"{n}，"] - sent[piece(f"{n}，")] for n in range(20))
    # Most of them long before the next one was sent, whatever else this machine does.
    assert delays[10] < 0.05 / 2
    assert delays[-1] < 1


@pytest.mark.slow
async def test_two_hundred_answers_stream_at_once(made: Made, first: FakeChat) -> None:
    first.otherwise = says("深", "呼", "吸", between=0.5)
    answers = await asyncio.gather(*(told(made_once) for made_once in [made()] * 200))
    assert answers == [("first", "深呼吸")] * 200
    assert first.most_at_once == 200
    assert first.gone == []


async def test_the_key_and_what_people_write_are_in_no_log(made: Made, first: FakeChat) -> None:
    models = made()
    with captured("DEBUG") as log:
        for reply in (
            *(
                refuses(401, KEY),
                refuses(400),
                refuses(500),
                refuses(302, headers={"Location": KEY}),
            ),
            *(error_in_stream(), says("好")),
        ):
            first.replies = [reply] * 3 if reply.status == 500 else [reply]
            await told(models)
        first.replies = [error_in_stream("深")]
        with pytest.raises(AnswerCut) as caught:
            await told(models)

    seen = f"{log.getvalue()}{caught.value!r}{models!r}{vars(models)!r}"
    assert [line["event"] for line in lines(log)].count("model_failed") == 6
    for secret in (KEY, "battle", "想抽烟", "Incorrect API key"):
        assert secret not in seen


async def test_a_provider_shows_no_key() -> None:
    provider = ChatProvider("deepseek", "https://models.test", KEY, "m")
    assert KEY not in f"{provider!r} {vars(provider)!r} {provider._http.headers!r}"
    await provider.close()


async def test_what_goes_on_when_the_process_stops_is_broken_off_in_time(
    made: Made, first: FakeChat
) -> None:
    first.otherwise = hangs("深")
    models = made()
    hearing = asyncio.create_task(heard_until_cut(models))
    left = calls("first", "left")
    await until(lambda: first.open_now)
    began = time.monotonic()
    models.stop_within(0.2)
    async with asyncio.timeout(5):
        assert await hearing == ["深"]
    assert 0.1 < time.monotonic() - began < 2
    assert calls("first", "left") == left + 1


async def test_what_has_not_begun_when_the_process_stops_is_given_up_in_time(
    made: Made, first: FakeChat, second: FakeChat
) -> None:
    first.otherwise = Reply([START, HANG])
    models = made()
    asking = asyncio.create_task(told(models))
    await until(lambda: first.open_now)
    models.stop_within(0.2)
    async with asyncio.timeout(5):
        with pytest.raises(NoModelAnswers):
            await asking
    assert second.asked == []
    with pytest.raises(NoModelAnswers):
        await told(models)
    assert len(first.asked) == 1


async def test_what_ends_in_time_is_heard_whole_while_the_process_stops(
    made: Made, first: FakeChat
) -> None:
    first.otherwise = says("深", "呼", "吸", between=0.1)
    models = made()
    models.stop_within(3)
    assert await told(models) == ("first", "深呼吸")
