"""How often a number is written to, whoever asks and whatever for."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.conftest import client_of, make_settings, running
from tests.factories import FrozenClock, Visitor, data, refusal
from tests.modules.phones.conftest import OTHER_PHONE, PHONE, Inbox
from zxo import embedded
from zxo.context import Context
from zxo.settings import LimitSettings

CODE = "/auth/sms/code"


@pytest.fixture
def limits() -> LimitSettings:
    return LimitSettings()


@pytest_asyncio.fixture
async def somebody(
    ctx: Context,
    services: embedded.Endpoints,
    clock: FrozenClock,
    limits: LimitSettings,
    inbox: Inbox,
) -> AsyncIterator[Visitor]:
    """At an application that keeps its limits."""
    async with running(make_settings(services, limits=limits), clock) as app, client_of(app) as c:
        yield Visitor(c)


async def test_a_number_is_written_to_once_a_minute_whatever_for_and_however_it_is_written(
    somebody: Visitor, inbox: Inbox
) -> None:
    alice = await somebody.log_in("alice")
    data(await somebody.post(CODE, phone=PHONE))
    for answer in (
        await somebody.post(CODE, phone=f"+86 {PHONE}"),
        await alice.post(CODE, phone=PHONE, purpose="bind"),
    ):
        assert refusal(answer, 429) == "too_many_requests"
        assert 55 <= int(answer.headers["retry-after"]) <= 60

    data(await somebody.post(CODE, phone=OTHER_PHONE))
    assert [number for number, _ in inbox.sent] == [f"+86{PHONE}", f"+86{OTHER_PHONE}"]


async def test_a_refused_request_leaves_the_code_as_it_is(somebody: Visitor, inbox: Inbox) -> None:
    data(await somebody.post(CODE, phone=PHONE))
    assert (await somebody.post(CODE, phone=PHONE)).status_code == 429

    data(await somebody.post("/auth/sms/login", phone=PHONE, code=inbox.last()))


async def test_what_is_no_number_costs_nothing(somebody: Visitor) -> None:
    assert refusal(await somebody.post(CODE, phone="+85291234567"), 400)

    data(await somebody.post(CODE, phone=PHONE))


@pytest.mark.parametrize("limits", [LimitSettings(sms_number=LimitSettings().sms_address)])
async def test_a_number_is_written_to_ten_times_a_day(somebody: Visitor, inbox: Inbox) -> None:
    answers = [await somebody.post(CODE, phone=PHONE) for _ in range(11)]

    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert len(inbox.sent) == 10
    assert int(answers[-1].headers["retry-after"]) > 3600


async def test_an_address_has_thirty_codes_sent_a_day(somebody: Visitor, inbox: Inbox) -> None:
    answers = [await somebody.post(CODE, phone=f"138001380{n:02}") for n in range(31)]

    assert [answer.status_code for answer in answers] == [200] * 30 + [429]
    assert len(inbox.sent) == 30
