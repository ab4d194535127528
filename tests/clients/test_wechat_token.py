"""One access token for all callers of a process."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from tests.fakes.wechat import APP_ID, APP_SECRET, FakeWechat
from zxo.clients import wechat as wechat_client
from zxo.clients.wechat import Answer, Wechat, WechatNotDone
from zxo.clients.wechat_messages import SEND


class Watch:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest_asyncio.fixture
async def client(
    fake_wechat: FakeWechat, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Wechat]:
    monkeypatch.setattr(wechat_client, "BUSY_PAUSES", (0.0, 0.01, 0.01))
    made = Wechat(APP_ID, APP_SECRET, fake_wechat.url, now=watch)
    yield made
    await made.close()


async def call(client: Wechat) -> Answer:
    """Something that needs a token; 43101 is what the fake says to a good one."""
    return await client.call(
        SEND, {"touser": "o1", "template_id": "T", "page": "pages/index/index", "data": {}}
    )


@pytest.fixture(autouse=True)
def _a_template(fake_wechat: FakeWechat) -> None:
    fake_wechat.templates["T"] = set()


async def test_the_token_is_asked_for_once_and_used_again(
    client: Wechat, fake_wechat: FakeWechat
) -> None:
    for _ in range(3):
        assert (await call(client)).errcode == 43101

    assert fake_wechat.token_requests == [
        {
            "grant_type": "client_credential",
            "appid": APP_ID,
            "secret": APP_SECRET,
            "force_refresh": False,
        }
    ]


async def test_callers_at_the_same_moment_share_one_request(
    client: Wechat, fake_wechat: FakeWechat
) -> None:
    fake_wechat.delay = 0.05

    answers = await asyncio.gather(*(call(client) for _ in range(20)))

    assert {answer.errcode for answer in answers} == {43101}
    assert len(fake_wechat.token_requests) == 1


async def test_a_caller_that_gives_up_does_not_take_the_token_from_the_others(
    client: Wechat, fake_wechat: FakeWechat
) -> None:
    fake_wechat.delay = 0.1
    impatient, patient = (asyncio.create_task(call(client)) for _ in range(2))
    await asyncio.sleep(0.03)
    impatient.cancel()

    assert (await patient).errcode == 43101
    assert len(fake_wechat.token_requests) == 1


async def test_it_is_renewed_five_minutes_before_it_expires(
    client: Wechat, fake_wechat: FakeWechat, watch: Watch
) -> None:
    await call(client)
    watch.seconds += 7200 - 301
    await call(client)
    assert len(fake_wechat.token_requests) == 1

    watch.seconds += 2
    await call(client)
    assert [asked["force_refresh"] for asked in fake_wechat.token_requests] == [False, False]


async def test_a_token_that_another_process_replaced_is_fetched_anew_without_force(
    client: Wechat, fake_wechat: FakeWechat
) -> None:
    """Force would take the new one from the other process, which would force in turn."""
    await call(client)
    fake_wechat.replace_token()

    assert (await call(client)).errcode == 43101
    assert [asked["force_refresh"] for asked in fake_wechat.token_requests] == [False, False]


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
async def test_a_token_that_stays_refused_is_replaced_by_force_once(
    client: Wechat, fake_wechat: FakeWechat, errcode: int
) -> None:
    await call(client)
    fake_wechat.send_failures = [errcode]

    assert (await call(client)).errcode == 43101
    assert [asked["force_refresh"] for asked in fake_wechat.token_requests] == [False, False, True]


async def test_a_token_that_nothing_helps_is_not_forced_again_and_again(
    client: Wechat, fake_wechat: FakeWechat, watch: Watch
) -> None:
    fake_wechat.send_failures = [40001] * 99
    answers = [await call(client) for _ in range(5)]

    assert {answer.errcode for answer in answers} == {40001}
    assert len(fake_wechat.sends) == 10
    assert sum(asked["force_refresh"] for asked in fake_wechat.token_requests) == 1

    watch.seconds += 601
    await call(client)
    assert sum(asked["force_refresh"] for asked in fake_wechat.token_requests) == 2


async def test_a_busy_wechat_is_asked_for_a_token_again(
    client: Wechat, fake_wechat: FakeWechat
) -> None:
    fake_wechat.token_failures = [-1, -1]

    assert (await call(client)).errcode == 43101


@pytest.mark.parametrize("errcode", [40013, 40125, 40164, 45009])
async def test_no_token_means_that_nothing_was_done_and_the_operator_is_told_once(
    client: Wechat, fake_wechat: FakeWechat, errcode: int
) -> None:
    fake_wechat.token_failures = [errcode]

    with capture_logs() as logs, pytest.raises(WechatNotDone):
        await call(client)

    assert [(line["event"], line["errcode"]) for line in logs] == [
        ("wechat_access_failed", errcode)
    ]
    assert fake_wechat.sends == []
    assert (await call(client)).errcode == 43101, "the failure is not remembered"


@pytest.mark.parametrize("raw", [b"", b"<html>", b"{}", b'{"access_token":""}', b"\xff"])
async def test_an_answer_without_a_token_means_that_nothing_was_done(
    client: Wechat, fake_wechat: FakeWechat, raw: bytes
) -> None:
    fake_wechat.raw = raw

    with pytest.raises(WechatNotDone):
        await call(client)
