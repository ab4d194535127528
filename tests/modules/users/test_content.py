"""What others would see is looked at before it is stored: by our list, and by WeChat."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.conftest import client_of, make_settings, running
from tests.factories import FrozenClock, Visitor, data, refusal
from tests.fakes.wechat import APP_ID, APP_SECRET, FakeWechat
from zxo import context, embedded
from zxo.context import Context
from zxo.settings import WechatSettings

AD = "代 购·香烟 +V"


def rejected(answer: httpx.Response, field: str) -> None:
    assert refusal(answer, 400) == "content_rejected"
    fields = [{"field": field, "reason": "rejected by the content check"}]
    assert answer.json()["data"] == {"fields": fields}
    assert AD not in answer.text


async def stored(ctx: Context, person: Visitor, column: str) -> str:
    sql = f"SELECT {column} FROM users WHERE id = $1"
    return str(await ctx.db.fetchval(sql, person.user["id"]))


async def test_a_nickname_that_advertises_is_refused_and_the_old_one_stays(
    ctx: Context, alice: Visitor
) -> None:
    before = await stored(ctx, alice, "nickname")
    rejected(await alice.put("/users/me", nickname=AD), "nickname")
    assert await stored(ctx, alice, "nickname") == before


async def test_a_street_is_looked_at_too(alice: Visitor) -> None:
    place = {"province": "浙江省", "city": "杭州市", "district": "西湖区"}
    rejected(await alice.put("/users/me", **place, street=AD), "street")
    assert data(await alice.get("/users/me"))["province"] is None
    assert data(await alice.put("/users/me", **place, street="文三路"))["street"] == "文三路"
    assert data(await alice.put("/users/me", street=None))["street"] is None


async def test_a_note_is_refused_and_the_craving_is_not_counted(alice: Visitor) -> None:
    rejected(await alice.post("/cravings", triggerNote=f"想抽 {AD}"), "triggerNote")
    assert data(await alice.get("/cravings"))["summary"]["totalCount"] == 0
    data(await alice.post("/cravings", triggerNote="老板递烟，想抽"))


async def test_a_log_in_does_not_fail_by_a_nickname_that_is_refused(visitor: Visitor) -> None:
    assert (await visitor.log_in("ad", nickname=AD)).user["nickname"] == "戒烟勇士"
    assert (await visitor.log_in("run", nickname="晨跑的人")).user["nickname"] == "晨跑的人"


@pytest_asyncio.fixture
async def in_wechat(
    ctx: Context, services: embedded.Endpoints, clock: FrozenClock, fake_wechat: FakeWechat
) -> AsyncIterator[Visitor]:
    """Somebody who came by the mini program."""
    wechat = WechatSettings(app_id=APP_ID, app_secret=APP_SECRET, base_url=fake_wechat.url)
    async with (
        running(make_settings(services, wechat=wechat), clock) as app,
        client_of(app) as client,
    ):
        answer = await Visitor(client).post("/auth/wechat/login", code=fake_wechat.issue("o-1"))
        person = Visitor(client, data(answer)["token"])
        person.user = data(answer)["user"]
        yield person


async def test_wechat_is_asked_about_what_changes_with_the_persons_openid(
    in_wechat: Visitor, fake_wechat: FakeWechat
) -> None:
    data(await in_wechat.put("/users/me", nickname="晨跑的人"))
    data(await in_wechat.put("/users/me", nickname="晨跑的人"))
    data(await in_wechat.post("/cravings", triggerNote="饭后"))
    data(await in_wechat.post("/cravings"))
    asked = {"version": 2, "openid": "o-1"}
    assert fake_wechat.checks == [
        {**asked, "scene": 1, "content": "晨跑的人"},
        {**asked, "scene": 4, "content": "饭后"},
    ]


@pytest.mark.parametrize(("verdict", "note"), [("risky", 400), ("review", 200), ("pass", 200)])
async def test_a_doubt_is_enough_for_what_others_see(
    in_wechat: Visitor, fake_wechat: FakeWechat, verdict: str, note: int
) -> None:
    fake_wechat.verdicts = {"某人": verdict, "某事": verdict}
    nickname = await in_wechat.put("/users/me", nickname="某人")
    assert nickname.status_code == (200 if verdict == "pass" else 400)
    assert (await in_wechat.post("/cravings", triggerNote="某事")).status_code == note


@pytest.mark.parametrize("errcode", [40003, 61010, 44991])
async def test_where_wechat_does_not_judge_the_list_decides(
    in_wechat: Visitor, fake_wechat: FakeWechat, errcode: int
) -> None:
    fake_wechat.check_failures = [errcode]
    assert data(await in_wechat.put("/users/me", nickname="某人"))["nickname"] == "某人"
    rejected(await in_wechat.put("/users/me", nickname=AD), "nickname")
    assert len(fake_wechat.checks) == 1  # nobody is asked about what our own list refuses


async def test_where_wechat_is_away_the_list_decides(
    in_wechat: Visitor, fake_wechat: FakeWechat
) -> None:
    fake_wechat.status = 502
    assert data(await in_wechat.put("/users/me", nickname="某人"))["nickname"] == "某人"
    rejected(await in_wechat.put("/users/me", nickname=AD), "nickname")
    counted = (await in_wechat.client.get("/metrics")).text
    assert 'content_unchecked_total{reason="away"}' in counted


@pytest.mark.slow
async def test_nobody_waits_for_a_wechat_that_hangs(
    in_wechat: Visitor, fake_wechat: FakeWechat
) -> None:
    fake_wechat.delay = 4
    async with asyncio.timeout(3):
        assert data(await in_wechat.put("/users/me", nickname="某人"))["nickname"] == "某人"


async def test_an_operators_own_words_count(
    services: embedded.Endpoints, clock: FrozenClock, ctx: Context, tmp_path: Path
) -> None:
    own = tmp_path / "words.txt"
    own.write_text("某某烟行\n", "utf-8")
    settings = make_settings(services, content_words=own)
    async with running(settings, clock) as app, client_of(app) as client:
        person = await Visitor(client).log_in("own-words")
        rejected(await person.put("/users/me", nickname="某某 烟行"), "nickname")
        rejected(await person.put("/users/me", nickname=AD), "nickname")
    own.write_text("烟行\n", "gbk")
    for unreadable in (tmp_path / "none.txt", own):
        with pytest.raises(ValueError, match="CONTENT_WORDS_FILE"):
            context.word_list(make_settings(services, content_words=unreadable))
