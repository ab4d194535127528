"""POST /auth/wechat/login when WeChat refuses, fails, or is not asked."""

import socket

import pytest
from fastapi import FastAPI

from tests.conftest import client_of, make_settings, running
from tests.factories import FrozenClock, Visitor, data, refusal
from tests.fakes.wechat import APP_ID, APP_SECRET, FakeWechat
from zxo import embedded
from zxo.clients import wechat as wechat_client
from zxo.clients.wechat import Wechat
from zxo.context import Context
from zxo.settings import WechatSettings

LOGIN = "/auth/wechat/login"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wechat_client, "BUSY_PAUSES", (0.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("errcode", "status", "error_code"),
    [
        (40029, 401, "invalid_login_code"),
        (40163, 401, "invalid_login_code"),
        (40226, 403, "wechat_user_blocked"),
        (45011, 429, "wechat_rate_limited"),
        (40013, 503, "wechat_unavailable"),
        (40125, 503, "wechat_unavailable"),
        (50001, 503, "wechat_unavailable"),
    ],
)
async def test_what_wechat_refuses_is_refused_with_its_reason(
    phone: Visitor,
    fake_wechat: FakeWechat,
    ctx: Context,
    errcode: int,
    status: int,
    error_code: str,
) -> None:
    fake_wechat.failures = [errcode]
    answer = await phone.post(LOGIN, code=fake_wechat.issue("oAlice"))

    assert refusal(answer, status) == error_code
    assert ("retry-after" in answer.headers) == (status in (429, 503))
    assert await ctx.db.fetchval("SELECT count(*) FROM users") == 0


async def test_a_busy_wechat_is_tried_again(phone: Visitor, fake_wechat: FakeWechat) -> None:
    fake_wechat.failures = [-1]

    data(await phone.post(LOGIN, code=fake_wechat.issue("oAlice")))


async def test_a_wechat_that_stays_busy_makes_the_login_unavailable(
    phone: Visitor, fake_wechat: FakeWechat
) -> None:
    fake_wechat.failures = [-1] * 3

    answer = await phone.post(LOGIN, code=fake_wechat.issue("oAlice"))
    assert refusal(answer, 503) == "wechat_unavailable"
    data(await phone.post(LOGIN, code=fake_wechat.issue("oAlice")))


async def test_an_answer_that_makes_no_sense_makes_the_login_unavailable(
    phone: Visitor, fake_wechat: FakeWechat
) -> None:
    fake_wechat.raw = b"<html>\xff</html>"

    answer = await phone.post(LOGIN, code="any")
    assert refusal(answer, 503) == "wechat_unavailable"


async def test_a_wechat_that_hangs_makes_the_login_unavailable(
    phone: Visitor, wechat_app: FastAPI, fake_wechat: FakeWechat
) -> None:
    client: Wechat = wechat_app.state.context.wechat
    client._http.timeout = 0.1
    fake_wechat.delay = 0.5

    answer = await phone.post(LOGIN, code="any")
    assert refusal(answer, 503) == "wechat_unavailable"


async def test_a_wechat_that_is_away_makes_the_login_unavailable(
    services: embedded.Endpoints, clock: FrozenClock, ctx: Context
) -> None:
    with socket.socket() as unused:  # bound, but nobody listens
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        wechat = WechatSettings(app_id=APP_ID, app_secret=APP_SECRET, base_url=url)
        async with (
            running(make_settings(services, wechat=wechat), clock) as app,
            client_of(app) as client,
        ):
            answer = await Visitor(client).post(LOGIN, code="any")

    assert refusal(answer, 503) == "wechat_unavailable"
    assert answer.headers["retry-after"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"code": ""},
        {"code": None},
        {"code": 7},
        {"code": "x" * 257},
        {"code": "a\x00b"},
        {"code": "any", "nickname": ""},
        {"code": "any", "nickname": "二" * 21},
        {"code": "any", "avatar": "http://plain.test/1.png"},
        {"code": "any", "openid": "oSomebodyElse"},
    ],
)
async def test_a_malformed_login_never_reaches_wechat(
    phone: Visitor, fake_wechat: FakeWechat, body: dict[str, object]
) -> None:
    answer = await phone.post(LOGIN, **body)

    assert refusal(answer, 400) == "invalid_request"
    assert fake_wechat.requests == []
