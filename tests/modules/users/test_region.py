"""The region of a profile: a path in the list of divisions, and a street."""

import asyncio
from typing import Any

import pytest

from tests.factories import Visitor, data, refusal, somebody_waits_for_a_lock
from zxo.context import Context

ME = "/users/me"
CHAOYANG = {"province": "北京市", "city": "北京市", "district": "朝阳区"}
NOWHERE = {"province": None, "city": None, "district": None, "street": None}


async def region_of(person: Visitor) -> dict[str, Any]:
    profile = data(await person.get(ME))
    return {level: profile[level] for level in NOWHERE}


@pytest.mark.parametrize(
    "region",
    [
        {"province": "北京市"},
        {"province": "北京市", "city": "北京市"},
        CHAOYANG,
        {**CHAOYANG, "street": "三里屯街道"},
        {"province": "广东省", "city": "深圳市", "district": "南山区"},
        {"province": "湖北省", "city": "仙桃市", "street": "沙嘴街道"},
        NOWHERE,
    ],
)
async def test_a_region_is_a_path_from_the_province_down(
    alice: Visitor, region: dict[str, str | None]
) -> None:
    data(await alice.put(ME, **region))

    assert await region_of(alice) == {**NOWHERE, **region}


@pytest.mark.parametrize(
    ("region", "level"),
    [
        ({"province": "北京"}, "province"),
        ({"province": "火星省"}, "province"),
        ({"province": "北京市", "city": "广州市"}, "city"),
        ({"city": "广州市"}, "province"),
        ({"province": "北京市", "district": "朝阳区"}, "city"),
        ({"province": "上海市", "city": "上海市", "district": "朝阳区"}, "district"),
    ],
)
async def test_a_place_that_does_not_exist_is_refused_at_its_level(
    alice: Visitor, region: dict[str, str], level: str
) -> None:
    answer = await alice.put(ME, nickname="阿丽", **region)

    assert refusal(answer, 400) == "unknown_region"
    assert [item["field"] for item in answer.json()["data"]["fields"]] == [level]
    assert await region_of(alice) == NOWHERE
    assert data(await alice.get(ME))["nickname"] == "戒烟勇士"


async def test_what_a_region_picker_calls_the_place_is_stored_under_its_one_name(
    alice: Visitor,
) -> None:
    data(await alice.put(ME, province="重庆市", city="县", district="云阳县"))
    assert await region_of(alice) == {
        "province": "重庆市",
        "city": "重庆市",
        "district": "云阳县",
        "street": None,
    }

    data(await alice.put(ME, province="湖北省", city="省直辖县级行政区划", district="仙桃市"))
    assert await region_of(alice) == {
        "province": "湖北省",
        "city": "仙桃市",
        "district": None,
        "street": None,
    }


async def test_a_named_level_is_checked_against_the_levels_that_are_kept(alice: Visitor) -> None:
    data(await alice.put(ME, **CHAOYANG))

    data(await alice.put(ME, district="海淀区"))
    assert (await region_of(alice))["district"] == "海淀区"
    assert refusal(await alice.put(ME, district="南山区"), 400) == "unknown_region"
    assert refusal(await alice.put(ME, province="上海市"), 400) == "unknown_region"
    assert refusal(await alice.put(ME, city=None), 400) == "unknown_region"
    assert (await region_of(alice))["district"] == "海淀区"


@pytest.mark.parametrize("street", ["三里屯街道", "x" * 100])
async def test_a_street_is_free_text_in_a_district(alice: Visitor, street: str) -> None:
    data(await alice.put(ME, **CHAOYANG))

    assert data(await alice.put(ME, street=f" {street} "))["street"] == street


@pytest.mark.parametrize(
    "region", [{}, {"province": "北京市"}, {"province": "广东省", "city": "深圳市"}]
)
async def test_a_street_without_its_district_is_refused(
    alice: Visitor, region: dict[str, str]
) -> None:
    answer = await alice.put(ME, **region, street="三里屯街道")

    assert refusal(answer, 400) == "street_without_district"


async def test_a_street_does_not_survive_its_district(alice: Visitor) -> None:
    data(await alice.put(ME, **CHAOYANG, street="三里屯街道"))

    assert refusal(await alice.put(ME, district=None), 400) == "street_without_district"
    data(await alice.put(ME, district=None, street=None))


@pytest.mark.parametrize("level", ["province", "city", "district", "street"])
@pytest.mark.parametrize("value", ["", "  ", 7, True, [], "x" * 101, "a\x00b"])
async def test_a_level_of_a_region_is_text_or_null(
    alice: Visitor, level: str, value: object
) -> None:
    assert refusal(await alice.put(ME, **{level: value}), 400) == "invalid_request"


@pytest.mark.parametrize("street", ["一\n二", "\u200d", "\u3164", "路" + "\u0336" * 5])
async def test_a_street_is_one_line_that_can_be_seen(alice: Visitor, street: str) -> None:
    answer = await alice.put(ME, **CHAOYANG, street=street)

    assert refusal(answer, 400) == "invalid_request"
    assert [item["field"] for item in answer.json()["data"]["fields"]] == ["street"]


async def test_a_street_is_checked_against_the_district_that_another_change_leaves(
    alice: Visitor, ctx: Context
) -> None:
    data(await alice.put(ME, **CHAOYANG))
    async with ctx.db.transaction() as connection:  # as a simultaneous PUT would
        await connection.execute("UPDATE users SET province = NULL, city = NULL, district = NULL")
        change = asyncio.create_task(alice.put(ME, street="三里屯街道"))
        await somebody_waits_for_a_lock(ctx)

    assert refusal(await change, 400) == "street_without_district"
    assert await ctx.db.fetchval("SELECT street FROM users") is None
