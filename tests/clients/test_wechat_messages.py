"""Subscription messages: what is sent, and what is made of every answer."""

import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.fakes.wechat import APP_ID, APP_SECRET, FakeWechat
from zxo.clients import wechat as wechat_client
from zxo.clients.outcomes import Outcome
from zxo.clients.wechat import Wechat
from zxo.clients.wechat_messages import Template, send_subscribe_message

PAGE = "pages/index/index"
FIELDS = {"thing1": "该打卡了", "thing2": "第 8 天"}
AT = datetime(2025, 12, 1, 9, 5, tzinfo=UTC)


@pytest_asyncio.fixture
async def client(fake_wechat: FakeWechat, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wechat]:
    monkeypatch.setattr(wechat_client, "BUSY_PAUSES", (0.0, 0.01, 0.01))
    fake_wechat.templates["T-1"] = set(FIELDS)
    fake_wechat.agree("oAlice", "T-1")
    made = Wechat(APP_ID, APP_SECRET, fake_wechat.url, timeout=0.5)
    yield made
    await made.close()


async def send(client: Wechat, **changes: object) -> Outcome:
    what = {"openid": "oAlice", "template_id": "T-1", "fields": FIELDS, "page": PAGE, **changes}
    return await send_subscribe_message(client, **what)  # type: ignore[arg-type]


async def test_a_message_arrives_as_wechat_wants_it(
    client: Wechat, fake_wechat: FakeWechat
) -> None:
    assert await send(client) is Outcome.SENT
    assert fake_wechat.messages == [
        {
            "touser": "oAlice",
            "template_id": "T-1",
            "page": PAGE,
            "data": {"thing1": {"value": "该打卡了"}, "thing2": {"value": "第 8 天"}},
            "miniprogram_state": "developer",
            "lang": "zh_CN",
        }
    ]


async def test_the_environment_decides_which_version_a_message_leads_to(
    client: Wechat, fake_wechat: FakeWechat
) -> None:
    client.state = "formal"
    await send(client)
    assert fake_wechat.messages[0]["miniprogram_state"] == "formal"


async def test_one_consent_is_one_message(client: Wechat, fake_wechat: FakeWechat) -> None:
    assert await send(client) is Outcome.SENT
    with capture_logs() as logs:
        assert await send(client) is Outcome.NO_CREDIT
    assert logs == []
    assert len(fake_wechat.messages) == 1


@pytest.mark.parametrize(
    ("changes", "errcode", "event", "level"),
    [
        ({"openid": "Alice"}, 40003, "wechat_message_refused", "warning"),
        ({"template_id": "T-9"}, 40037, "wechat_message_failed", "error"),
        ({"page": "pages/none"}, 41030, "wechat_message_failed", "error"),
        ({"fields": {"thing1": "x" * 21, "thing2": "y"}}, 47003, "wechat_message_failed", "error"),
        ({"fields": {"thing1": "x"}}, 47003, "wechat_message_failed", "error"),
    ],
)
async def test_a_refusal_is_logged_and_not_tried_again(
    client: Wechat,
    fake_wechat: FakeWechat,
    changes: dict[str, object],
    errcode: int,
    event: str,
    level: str,
) -> None:
    with capture_logs() as logs:
        assert await send(client, **changes) is Outcome.NOT_SENT

    assert [(line["event"], line["log_level"], line["errcode"]) for line in logs] == [
        (event, level, errcode)
    ]
    assert len(fake_wechat.sends) == 1


@pytest.mark.parametrize(
    ("errcode", "level"),
    [(45009, "warning"), (45011, "warning"), (43107, "error"), (47001, "error"), (1, "error")],
)
async def test_limits_and_what_nobody_knows_are_given_up(
    client: Wechat, fake_wechat: FakeWechat, errcode: int, level: str
) -> None:
    fake_wechat.send_failures = [errcode]

    with capture_logs() as logs:
        assert await send(client) is Outcome.NOT_SENT

    assert [(line["log_level"], line["errcode"]) for line in logs] == [(level, errcode)]
    assert len(fake_wechat.sends) == 1


async def test_the_field_at_fault_is_named_in_the_log(
    client: Wechat, fake_wechat: FakeWechat
) -> None:
    with capture_logs() as logs:
        await send(client, fields={"thing1": "x", "thing2": "y" * 21})
    assert logs[0]["field"] == "thing2"


async def test_a_busy_wechat_is_asked_again_and_given_up_after_three_tries(
    client: Wechat, fake_wechat: FakeWechat
) -> None:
    fake_wechat.send_failures = [-1, -1]
    assert await send(client) is Outcome.SENT

    fake_wechat.send_failures = [-1] * 9
    assert await send(client) is Outcome.NOT_SENT
    assert len(fake_wechat.sends) == 3 + 3


async def test_a_message_whose_answer_is_lost_is_not_sent_a_second_time(
    client: Wechat, fake_wechat: FakeWechat
) -> None:
    fake_wechat.agree("oAlice", "T-1", 9)
    await send(client)  # the token is there
    fake_wechat.cut = True

    assert await send(client) is Outcome.UNCERTAIN
    assert len(fake_wechat.messages) == 2


@pytest.mark.parametrize("status", [302, 500, 502, 504])
async def test_an_http_failure_leaves_it_uncertain(
    client: Wechat, fake_wechat: FakeWechat, status: int
) -> None:
    await send(client)
    fake_wechat.status = status
    assert await send(client) is Outcome.UNCERTAIN


async def test_a_wechat_that_hangs_leaves_it_uncertain(
    client: Wechat, fake_wechat: FakeWechat
) -> None:
    await send(client)
    fake_wechat.delay = 0.8
    assert await send(client) is Outcome.UNCERTAIN


async def test_a_wechat_that_takes_no_connection_was_certainly_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wechat_client, "BUSY_PAUSES", (0.0, 0.01, 0.01))
    with socket.socket() as unused:  # bound, but nobody listens
        unused.bind(("127.0.0.1", 0))
        client = Wechat(APP_ID, APP_SECRET, f"http://127.0.0.1:{unused.getsockname()[1]}")
        assert await send(client) is Outcome.NOT_SENT
        await client.close()


async def test_neither_tokens_nor_openids_nor_texts_are_logged(
    client: Wechat, fake_wechat: FakeWechat, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with capture_logs() as logs:
        await send(client)
        for errcode in (40001, 40001, 40003, 40037, 43101, 45009, 47003):
            fake_wechat.send_failures.append(errcode)
            await send(client)
        for damage in ({"cut": True}, {"cut": False, "status": 500}, {"raw": b"<html>"}):
            vars(fake_wechat).update(damage)
            await send(client)

    said = f"{logs} {caplog.text}"
    assert "wechat_message_uncertain" in said
    for private in (APP_SECRET, "access-", "oAlice", "该打卡了"):
        assert private not in said


def test_the_fields_of_a_template_are_those_of_the_settings() -> None:
    form = Template.parse("T-1:thing4=title,thing2=body,time3=at,date5=at")
    assert form.id == "T-1"
    assert form.filled("标题", "正文", AT) == {
        "thing4": "标题",
        "thing2": "正文",
        "time3": "2025年12月1日 09:05",
        "date5": "2025年12月1日",
    }


def test_a_template_with_an_id_alone_has_the_usual_two_fields() -> None:
    assert Template.parse("T-1").filled("标题", "正文", AT) == {"thing1": "标题", "thing2": "正文"}


def test_an_empty_body_is_filled_for_wechat_refuses_it() -> None:
    assert Template.parse("T-1").filled("标题", "", AT)["thing2"] == "标题"


@given(st.text(min_size=1, max_size=60).filter(str.strip))
def test_a_thing_is_never_longer_than_twenty_code_points(text: str) -> None:
    said = Template.parse("T-1").filled(text, text, AT)["thing1"]
    line = " ".join(text.split())
    assert 1 <= len(said) <= 20
    assert said == line or (said[:-1] == line[:19] and said[-1] == "…" and len(line) > 20)
