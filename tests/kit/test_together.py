"""Questions of the same moment travel together."""

import asyncio
from collections.abc import Sequence

import pytest

from zxo.kit.together import Gatherings, Together


class Carrier:
    """Answers the double of each number, a moment later; remembers how they came."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.failure: Exception | None = None

    async def carry(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        await asyncio.sleep(0.01)
        if self.failure:
            raise self.failure
        return [2 * number for number in numbers]


@pytest.fixture
def carrier() -> Carrier:
    return Carrier()


async def test_everybody_gets_their_own_answer(carrier: Carrier) -> None:
    together = Together(carrier.carry, 200)
    answers = await asyncio.gather(*(together.ask(number) for number in range(100)))
    assert answers == [2 * number for number in range(100)]
    assert len(carrier.batches) == 1


async def test_what_comes_while_one_batch_is_under_way_is_the_next(carrier: Carrier) -> None:
    together = Together(carrier.carry, 200)
    first = asyncio.create_task(together.ask(1))
    await asyncio.sleep(0.005)
    others = [asyncio.create_task(together.ask(number)) for number in (2, 3)]
    assert await asyncio.gather(first, *others) == [2, 4, 6]
    assert carrier.batches == [[1], [2, 3]]
    assert await together.ask(4) == 8


async def test_a_batch_has_a_largest_size(carrier: Carrier) -> None:
    together = Together(carrier.carry, 3)
    assert await asyncio.gather(*map(together.ask, range(7))) == [0, 2, 4, 6, 8, 10, 12]
    assert [len(batch) for batch in carrier.batches] == [3, 3, 1]


async def test_a_failure_is_told_to_those_who_asked_together_and_no_others(
    carrier: Carrier,
) -> None:
    together = Together(carrier.carry, 200)
    carrier.failure = LookupError()
    told = await asyncio.gather(*map(together.ask, range(3)), return_exceptions=True)
    assert [type(error) for error in told] == [LookupError] * 3
    carrier.failure = None
    assert await together.ask(5) == 10


async def test_all_who_wait_hear_of_an_outage_at_once(carrier: Carrier) -> None:
    together = Together(carrier.carry, 2)
    carrier.failure = LookupError()
    told = await asyncio.gather(*map(together.ask, range(9)), return_exceptions=True)
    assert [type(error) for error in told] == [LookupError] * 9
    assert len(carrier.batches) == 1


async def test_a_wrong_number_of_answers_is_a_failure_and_not_the_end() -> None:
    async def forget_one(numbers: Sequence[int]) -> list[int]:
        return list(numbers[1:])

    together = Together(forget_one, 200)
    for _ in range(2):
        told = await asyncio.gather(*map(together.ask, range(2)), return_exceptions=True)
        assert any(isinstance(error, ValueError) for error in told)


async def test_whoever_goes_away_is_left_out(carrier: Carrier) -> None:
    together = Together(carrier.carry, 200)
    asking = [asyncio.create_task(together.ask(number)) for number in range(3)]
    await asyncio.sleep(0.005)
    asking[1].cancel()
    told = await asyncio.gather(*asking, return_exceptions=True)
    assert [told[0], told[2]] == [0, 4]
    assert isinstance(told[1], asyncio.CancelledError)


async def test_a_topic_has_one_gathering(carrier: Carrier) -> None:
    gatherings = Gatherings()
    assert gatherings.named("a", carrier.carry) is gatherings.named("a", carrier.carry)
    assert gatherings.named("a", carrier.carry) is not gatherings.named("b", carrier.carry)
