"""The coach where no model is configured."""

import pytest

from tests.conftest import client_of, make_settings, running
from tests.factories import FrozenClock, Visitor, data, refusal
from tests.modules.coach.conftest import COMMON, ask, opened, told, used
from zxo.context import Context
from zxo.embedded import Endpoints
from zxo.settings import ModelSettings, Settings


async def test_a_common_question_is_answered_with_the_label_and_costs_no_tokens(
    member: Visitor,
) -> None:
    answer = await ask(member, COMMON)
    assert answer["source"] == "builtin"
    assert answer["label"] == "AI 生成"
    assert answer["messageIndex"] == 1
    assert answer["conversationId"].startswith("conv_")
    assert "20 分钟" in answer["response"]
    assert "世界卫生组织" in [source["authority"] for source in answer["sources"]]
    assert await used(member) == (1, 0)


async def test_where_it_has_no_answer_it_says_so_and_names_the_quitline(member: Visitor) -> None:
    answer = await ask(member, "帮我写一首关于量子力学的诗")
    assert answer["source"] == "builtin"
    assert "400-888-5531" in answer["response"]


async def test_a_conversation_goes_on_and_is_told_in_the_order_of_time(member: Visitor) -> None:
    first = await ask(member, COMMON)
    second = await ask(member, "晚上睡不着怎么办", conversationId=first["conversationId"])
    assert second["conversationId"] == first["conversationId"]
    assert second["messageIndex"] == 2
    assert await told(member, first["conversationId"]) == [
        ("user", COMMON),
        ("assistant", first["response"]),
        ("user", "晚上睡不着怎么办"),
        ("assistant", second["response"]),
    ]


async def test_it_knows_when_the_person_craves_most(member: Visitor, clock: FrozenClock) -> None:
    for hour, times in ((10, 2), (14, 3), (20, 2), (8, 1)):
        clock.set(f"2025-12-01T{hour:02}:05:00+08:00")
        for _ in range(times):
            data(await member.post("/cravings", triggerType="stress"))
    clock.set("2025-12-01T21:00:00+08:00")
    answer = await ask(member, "我一般什么时候最想抽烟？")
    assert "10" in answer["response"]
    assert "14" in answer["response"]
    assert "20" in answer["response"]


async def test_it_counts_the_cigarettes_as_the_statistics_do(member: Visitor) -> None:
    data(await member.put("/users/me/settings", dailyAmount=17, quitAt="2025-11-01T00:00:00Z"))
    data(await member.post("/check-in"))
    avoided = data(await member.get("/users/me/stats"))["cigarettesAvoided"]
    assert avoided == 17
    assert f"少抽了 {avoided} 支" in (await ask(member, "我戒了多少天"))["response"]


@pytest.mark.parametrize("path", ["/ai/chat", "/ai/chat/stream"])
async def test_the_coach_is_for_members(alice: Visitor, path: str) -> None:
    assert refusal(await alice.post(path, message=COMMON), 403) == "ai_not_open"


async def test_vip_may_try_it_for_four_days(alice: Visitor, clock: FrozenClock) -> None:
    await opened(alice, "VIP")
    await ask(alice, COMMON)
    clock.advance(days=3, hours=23)
    await ask(alice, COMMON)
    clock.advance(hours=2)
    assert refusal(await alice.post("/ai/chat", message=COMMON), 403) == "ai_trial_ended"


async def test_whoever_may_be_in_danger_is_answered_also_without_a_membership(
    alice: Visitor,
) -> None:
    answer = await ask(alice, "我真的不想活了")
    assert "12356" in answer["response"]
    assert answer["source"] == "builtin"
    assert await used(alice) == (0, 0)
    assert await told(alice, answer["conversationId"]) == [
        ("user", "我真的不想活了"),
        ("assistant", answer["response"]),
    ]


async def test_it_is_told_the_numbers_also_when_the_day_is_used_up_and_the_id_is_none_of_theirs(
    member: Visitor, bob: Visitor, ctx: Context
) -> None:
    bobs = (await ask(await opened(bob), COMMON))["conversationId"]
    await ask(member, COMMON)
    await ctx.db.execute("UPDATE ai_usage SET requests = 100")
    answer = await ask(member, "我想自杀", conversationId=bobs)
    assert "12356" in answer["response"]
    assert answer["conversationId"] != bobs
    assert len(await told(bob, bobs)) == 2


@pytest.mark.parametrize(
    ("question", "words"),
    [("尼古丁贴片一天贴几片，贴多少毫克的？", "医生"), ("我最近老咳血，是不是得了肺癌？", "医生")],
)
async def test_doses_and_diagnoses_are_a_doctors_business(
    member: Visitor, question: str, words: str
) -> None:
    answer = await ask(member, question)
    assert words in answer["response"]
    assert "毫克" not in answer["response"]


async def test_it_can_be_switched_off(
    services: Endpoints, settings: Settings, clock: FrozenClock, ctx: Context
) -> None:
    same = {"tokens": settings.tokens, "keys": settings.keys}
    off = make_settings(services, **same, models=ModelSettings(enabled=False))
    async with running(off, clock) as app, client_of(app) as client:
        person = await opened(await Visitor(client).log_in("alice"))
        assert refusal(await person.post("/ai/chat", message=COMMON), 403) == "coach_off"
        assert refusal(await person.post("/ai/chat/stream", message="我想死"), 403) == "coach_off"
        assert data(await person.get("/ai/quota"))["isOpen"] is False
        assert data(await person.get("/ai/conversations"))["conversations"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"message": ""},
        {"message": " \n "},
        {"message": "戒" * 2_001},
        {"message": "戒\x00烟"},
        {"message": ["戒烟"]},
        {"message": "戒烟", "conversationId": ""},
        {"message": "戒烟", "model": "gpt"},
    ],
)
async def test_a_message_has_a_form(member: Visitor, body: dict[str, object]) -> None:
    assert refusal(await member.post("/ai/chat", **body), 400) == "invalid_request"


async def test_a_message_may_have_two_thousand_characters(member: Visitor) -> None:
    await ask(member, "戒烟" * 1_000)
