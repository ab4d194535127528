"""What the client makes of WeChat's answers."""

import socket
import time
import traceback
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from tests.fakes.wechat import APP_ID, APP_SECRET, SESSION_KEY, FakeWechat
from zxo.clients import wechat
from zxo.clients.wechat import (
    InvalidLoginCode,
    Wechat,
    WechatTooOften,
    WechatUnavailable,
    WechatUserBlocked,
)


@pytest_asyncio.fixture
async def client(fake_wechat: FakeWechat, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wechat]:
    monkeypatch.setattr(wechat, "BUSY_PAUSES", (0.0, 0.01, 0.01))
    made = Wechat(APP_ID, APP_SECRET, fake_wechat.url)
    yield made
    await made.close()


async def test_a_code_is_exchanged_for_the_openid_behind_it(
    client: Wechat, fake_wechat: FakeWechat
) -> None:
    code = fake_wechat.issue("oAlice")

    assert await client.openid(code) == "oAlice"
    assert fake_wechat.requests == [
        {
            "appid": APP_ID,
            "secret": APP_SECRET,
            "js_code": code,
            "grant_type": "authorization_code",
        }
    ]


async def test_an_errcode_of_zero_is_success(client: Wechat, fake_wechat: FakeWechat) -> None:
    fake_wechat.raw = b'{"openid":"oAlice","session_key":"k","unionid":null,"errcode":0}'

    assert await client.openid("any") == "oAlice"


async def test_a_code_with_signs_of_its_own_reaches_wechat_unchanged(
    client: Wechat, fake_wechat: FakeWechat
) -> None:
    code = "a&secret=x#é 数/?+%00"
    fake_wechat.codes[code] = "oAlice"

    assert await client.openid(code) == "oAlice"


@pytest.mark.parametrize(
    ("errcode", "error"),
    [
        (40029, InvalidLoginCode),
        (40163, InvalidLoginCode),
        (40226, WechatUserBlocked),
        (45011, WechatTooOften),
        (40013, WechatUnavailable),
        (40125, WechatUnavailable),
        (99999, WechatUnavailable),
    ],
)
async def test_an_errcode_is_refused_for_its_own_reason_and_not_tried_again(
    client: Wechat, fake_wechat: FakeWechat, errcode: int, error: type[Exception]
) -> None:
    fake_wechat.failures = [errcode]

    with pytest.raises(error):
        await client.openid("any")

    assert len(fake_wechat.requests) == 1


async def test_a_code_serves_once(client: Wechat, fake_wechat: FakeWechat) -> None:
    code = fake_wechat.issue("oAlice")
    await client.openid(code)

    with pytest.raises(InvalidLoginCode, match="40163"):
        await client.openid(code)


async def test_a_busy_wechat_is_asked_again(client: Wechat, fake_wechat: FakeWechat) -> None:
    fake_wechat.failures = [-1, -1]

    assert await client.openid(fake_wechat.issue("oAlice")) == "oAlice"
    assert len(fake_wechat.requests) == 3


async def test_a_wechat_that_stays_busy_is_given_up_after_three_tries(
    client: Wechat, fake_wechat: FakeWechat
) -> None:
    fake_wechat.failures = [-1] * 9

    with pytest.raises(WechatUnavailable, match="busy"):
        await client.openid("any")

    assert len(fake_wechat.requests) == 3


async def test_it_waits_between_the_tries_but_not_for_long() -> None:
    assert wechat.BUSY_PAUSES[0] == 0
    assert all(pause > 0 for pause in wechat.BUSY_PAUSES[1:])
    assert sum(wechat.BUSY_PAUSES) < 1


async def test_too_often_says_when_to_come_back(client: Wechat, fake_wechat: FakeWechat) -> None:
    fake_wechat.failures = [45011]

    with pytest.raises(WechatTooOften) as caught:
        await client.openid("any")

    assert caught.value.headers["Retry-After"] == "60"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b"[]",
        b'"openid"',
        b"{}",
        b'{"openid":""}',
        b'{"openid":null}',
        b'{"openid":17}',
        b'{"errcode":"40029"}',
        b'{"openid":"\xff\xfe"}',
    ],
)
async def test_an_answer_that_makes_no_sense_is_no_login(
    client: Wechat, fake_wechat: FakeWechat, raw: bytes
) -> None:
    fake_wechat.raw = raw

    with pytest.raises(WechatUnavailable):
        await client.openid("any")


@pytest.mark.parametrize("status", [302, 404, 500, 502])
async def test_an_http_failure_is_no_login_whatever_its_body_says(
    client: Wechat, fake_wechat: FakeWechat, status: int
) -> None:
    fake_wechat.status = status

    with pytest.raises(WechatUnavailable):
        await client.openid(fake_wechat.issue("oAlice"))


async def test_a_wechat_that_does_not_answer_is_given_up(fake_wechat: FakeWechat) -> None:
    fake_wechat.delay = 1.0
    impatient = Wechat(APP_ID, APP_SECRET, fake_wechat.url, timeout=0.1)
    began = time.monotonic()

    with pytest.raises(WechatUnavailable, match="ReadTimeout"):
        await impatient.openid("any")

    assert time.monotonic() - began < 0.9
    await impatient.close()


async def test_a_wechat_that_refuses_the_connection_is_unavailable() -> None:
    with socket.socket() as unused:  # bound, but nobody listens
        unused.bind(("127.0.0.1", 0))
        client = Wechat(APP_ID, APP_SECRET, f"http://127.0.0.1:{unused.getsockname()[1]}")

        with pytest.raises(WechatUnavailable, match="ConnectError"):
            await client.openid("any")

        await client.close()


@pytest.mark.parametrize("errcode", [40013, 40125])
async def test_wrong_credentials_of_ours_are_logged_for_the_operator(
    client: Wechat, fake_wechat: FakeWechat, errcode: int
) -> None:
    fake_wechat.failures = [errcode]

    with capture_logs() as logs, pytest.raises(WechatUnavailable):
        await client.openid("any")

    assert [(line["event"], line["errcode"]) for line in logs] == [("wechat_login_failed", errcode)]


async def test_neither_the_secret_nor_the_code_nor_the_session_key_is_logged_or_told(
    client: Wechat,
    fake_wechat: FakeWechat,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("DEBUG")
    told = []
    await client.openid(fake_wechat.issue("oAlice"))
    fake_wechat.failures = [40125, 40029]
    for _ in range(2):
        with pytest.raises((WechatUnavailable, InvalidLoginCode)) as caught:
            await client.openid("the-code")
        told.append(str(caught.value))
    fake_wechat.status = 500
    with pytest.raises(WechatUnavailable) as failed:
        await client.openid("the-code")
    told += traceback.format_exception_only(failed.value)
    assert failed.value.__suppress_context__  # a traceback would show httpx's text, and so the URL

    printed = capfd.readouterr()
    everything = caplog.text + printed.out + printed.err + "".join(told)
    for private in (APP_SECRET, "the-code", SESSION_KEY):
        assert private not in everything
