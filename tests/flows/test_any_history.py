"""Whole random lives through HTTP, compared with the plain model after every step."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories import FrozenClock, Visitor
from tests.flows.life import Life

ZONES = ("Asia/Shanghai", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago")

steps = st.one_of(
    st.just(("check_in", 0)),
    st.tuples(st.just("wait_minutes"), st.integers(1, 3000)),
    st.tuples(st.just("next_days"), st.integers(1, 9)),
    st.tuples(st.just("make_up"), st.integers(-2, 12)),
    st.tuples(st.just("make_up"), st.integers(364, 368)),
    st.tuples(st.just("move"), st.integers(0, len(ZONES) - 1)),
)


async def live(life: Life, step: tuple[str, int]) -> None:
    what, number = step
    if what == "check_in":
        await life.checks_in()
    elif what == "wait_minutes":
        life.clock.advance(minutes=number)
    elif what == "next_days":
        for _ in range(number):
            life.clock.advance(days=1)
            await life.checks_in()
    elif what == "make_up":
        await life.makes_up(life.today - timedelta(days=number))
    else:
        await life.moves_to(ZONES[number])


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=st.lists(steps, max_size=25))
async def test_any_history_adds_up_as_in_the_model(
    visitor: Visitor, clock: FrozenClock, history: list[Any]
) -> None:
    clock.reset()
    life = Life(visitor, clock, uuid4().hex)
    for step in history:
        await live(life, step)
        await life.looks()
