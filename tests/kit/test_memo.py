"""Answers that are remembered for a moment."""

import asyncio
import gc

import pytest

from zxo.kit import memo
from zxo.kit.memo import Memo


class Oracle:
    """Counts how often it was asked; answers when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.failure: Exception | None = None

    async def answer(self) -> int:
        self.asked += 1
        number = self.asked
        await self.may_answer.wait()
        if self.failure:
            raise self.failure
        return number


@pytest.fixture
def oracle() -> Oracle:
    return Oracle()


async def test_an_answer_serves_until_its_time_is_over(oracle: Oracle) -> None:
    known = Memo()
    assert [await known.get("a", 60, oracle.answer) for _ in range(3)] == [1, 1, 1]
    assert await known.get("b", 60, oracle.answer) == 2
    assert [await known.get("c", -1, oracle.answer) for _ in range(2)] == [3, 4]


async def test_a_slow_answer_is_not_asked_for_again_while_it_is_under_way(oracle: Oracle) -> None:
    known = Memo()
    oracle.may_answer.clear()
    first = asyncio.create_task(known.get("a", 0.001, oracle.answer))
    await asyncio.sleep(0.01)  # longer than an answer lasts
    second = asyncio.create_task(known.get("a", 0.001, oracle.answer))
    await asyncio.sleep(0)
    oracle.may_answer.set()
    assert await asyncio.gather(first, second) == [1, 1]


async def test_those_who_ask_at_once_share_one_question(oracle: Oracle) -> None:
    known = Memo()
    oracle.may_answer.clear()
    asking = [asyncio.create_task(known.get("a", 60, oracle.answer)) for _ in range(50)]
    await asyncio.sleep(0)
    oracle.may_answer.set()
    assert set(await asyncio.gather(*asking)) == {1}


async def test_whoever_goes_away_takes_nothing_from_the_others(oracle: Oracle) -> None:
    known = Memo()
    oracle.may_answer.clear()
    first, second = (asyncio.create_task(known.get("a", 60, oracle.answer)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    oracle.may_answer.set()
    assert await second == 1


async def test_a_failure_is_told_to_all_who_wait_and_not_remembered(oracle: Oracle) -> None:
    known = Memo()
    oracle.failure = LookupError()
    asking = (known.get("a", 60, oracle.answer) for _ in range(3))
    assert [type(error) for error in await asyncio.gather(*asking, return_exceptions=True)] == (
        [LookupError] * 3
    )
    assert oracle.asked == 1
    oracle.failure = None
    assert await known.get("a", 60, oracle.answer) == 2


async def test_a_failure_that_nobody_waits_for_is_no_warning(oracle: Oracle) -> None:
    """Warnings are errors in this suite."""
    known = Memo()
    oracle.may_answer.clear()
    oracle.failure = LookupError()
    asking = asyncio.create_task(known.get("a", 60, oracle.answer))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    oracle.may_answer.set()
    await asyncio.sleep(0.01)
    del asking
    gc.collect()
    assert oracle.asked == 1


async def test_the_oldest_answers_make_room(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memo, "MOST", 3)
    known = Memo()
    for name in "abcd":
        await known.get(name, 60, oracle.answer)
    assert await known.get("b", 60, oracle.answer) == 2
    assert await known.get("a", 60, oracle.answer) == 5
    known.clear()
    assert await known.get("a", 60, oracle.answer) == 6
