"""The code `dev:NAME`: only where WeChat is not configured, and never in production."""

import pytest

from tests.conftest import client_of, make_settings, running
from tests.factories import FrozenClock, Visitor, data, refusal
from tests.fakes.wechat import FakeWechat
from zxo import embedded
from zxo.context import Context
from zxo.settings import LimitSettings

LOGIN = "/auth/wechat/login"


async def test_the_code_dev_alice_logs_in_dev_alice(visitor: Visitor, ctx: Context) -> None:
    alice = await visitor.log_in("alice", nickname="阿丽")

    openid = await ctx.db.fetchval("SELECT openid FROM users WHERE id = $1", alice.user["id"])
    assert openid == "dev_alice"
    assert alice.user["nickname"] == "阿丽"


async def test_the_same_name_is_the_same_person_and_another_name_another(
    visitor: Visitor,
) -> None:
    alice, again, bob = [await visitor.log_in(name) for name in ("alice", "alice", "Alice")]

    assert alice.user["id"] == again.user["id"] != bob.user["id"]


@pytest.mark.parametrize("name", ["a", "A-1_b", "x" * 32])
async def test_a_name_has_letters_digits_hyphens_and_underscores(
    visitor: Visitor, name: str
) -> None:
    data(await visitor.post(LOGIN, code=f"dev:{name}"))


@pytest.mark.parametrize("name", ["", "x" * 33, "a b", "a/b", "张三", "a\n", "dev:a", "a'--"])
async def test_another_name_is_refused(visitor: Visitor, name: str, ctx: Context) -> None:
    answer = await visitor.post(LOGIN, code=f"dev:{name}")

    assert refusal(answer, 400) == "invalid_development_name"
    assert await ctx.db.fetchval("SELECT count(*) FROM users") == 0


async def test_a_real_code_needs_wechat_to_be_configured(visitor: Visitor) -> None:
    answer = await visitor.post(LOGIN, code="0a3bc4")

    assert refusal(answer, 503) == "wechat_not_configured"


async def test_where_wechat_is_configured_the_code_is_just_another_code(
    phone: Visitor, fake_wechat: FakeWechat
) -> None:
    answer = await phone.post(LOGIN, code="dev:alice")

    assert refusal(answer, 401) == "invalid_login_code"
    assert fake_wechat.requests[0]["js_code"] == "dev:alice"


async def test_production_refuses_it_also_without_wechat(
    ctx: Context, services: embedded.Endpoints, clock: FrozenClock
) -> None:
    settings = make_settings(services, env="production", limits=LimitSettings())
    async with running(settings, clock) as app, client_of(app) as client:
        answer = await Visitor(client).post(LOGIN, code="dev:alice")

    assert refusal(answer, 503) == "wechat_not_configured"
    assert await ctx.db.fetchval("SELECT count(*) FROM users") == 0
