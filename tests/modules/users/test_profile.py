"""GET and PUT /users/me."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.factories import START, FrozenClock, Visitor, data, refusal
from zxo.context import Context

ME = "/users/me"
CHAOYANG = {"province": "北京市", "city": "北京市", "district": "朝阳区"}
NOWHERE = {"province": None, "city": None, "district": None, "street": None}
FAMILY = "👨‍👩‍👧‍👦"  # seven code points, four of them people


async def field_at_fault(person: Visitor, path: str = ME, **body: Any) -> str:
    """The one field that a refused PUT names."""
    answer = await person.put(path, **body)
    assert refusal(answer, 400) == "invalid_request"
    fields = {item["field"] for item in answer.json()["data"]["fields"]}
    assert len(fields) == 1, fields
    return fields.pop()


async def test_a_newcomer_sees_an_empty_profile(alice: Visitor) -> None:
    assert data(await alice.get(ME)) == {
        "id": alice.user["id"],
        "nickname": "戒烟勇士",
        "avatar": None,
        "memberType": "free",
        "memberExpiryAt": None,
        "totalDays": 0,
        "consecutiveDays": 0,
        "makeupCards": 3,
        "timezone": "Asia/Shanghai",
        "phone": None,
        **NOWHERE,
    }


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("path", [ME, f"{ME}/settings"])
async def test_a_stranger_sees_and_changes_nothing(
    visitor: Visitor, method: str, path: str
) -> None:
    body = None if method == "GET" else {}

    assert refusal(await visitor.request(method, path, json=body), 401) == "unauthorized"


async def test_a_change_is_answered_with_the_whole_profile_and_is_there_at_once(
    alice: Visitor,
) -> None:
    before = data(await alice.get(ME))
    change = {"nickname": "新昵称", "avatar": "https://xxx.com/new_avatar.jpg"}

    assert data(await alice.put(ME, **change)) == {**before, **change}
    assert data(await alice.get(ME)) == {**before, **change}


async def test_a_change_leaves_what_it_does_not_name(alice: Visitor) -> None:
    whole = {"nickname": "阿丽", "avatar": "https://a.test/1", **CHAOYANG, "street": "三里屯街道"}
    data(await alice.put(ME, **whole))
    data(await alice.put(ME, nickname="丽丽"))
    profile = data(await alice.get(ME))

    assert {name: profile[name] for name in whole} == {**whole, "nickname": "丽丽"}


async def test_one_persons_change_is_not_anothers(alice: Visitor, bob: Visitor) -> None:
    before = data(await bob.get(ME))
    data(await alice.put(ME, nickname="阿丽"))

    assert data(await bob.get(ME)) == before


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("A", "A"),
        ("二" * 20, "二" * 20),
        ("😀" * 20, "😀" * 20),
        (FAMILY, FAMILY),
        (f"{FAMILY}{FAMILY}阿丽的一家", f"{FAMILY}{FAMILY}阿丽的一家"),
        ("🫨", "🫨"),  # newer than Python's own list of characters
        ("  阿丽\u3000\n", "阿丽"),
        (" " * 30 + "阿丽", "阿丽"),
        ("Ame\u0301lie", "Am\u00e9lie"),
        ("e\u0301" * 20, "\u00e9" * 20),
        ("阿\u200b丽\ufeff", "阿丽"),
        ("\u202e阿丽\u202c\u2066", "阿丽"),
        ("<script>alert(1)", "<script>alert(1)"),
        ("'; DROP TABLE --", "'; DROP TABLE --"),
        ("微信用户", "微信用户"),  # typed by the person: hers
        ("阿 丽", "阿 丽"),
    ],
)
async def test_a_nickname_is_kept_as_typed_in_one_normal_form(
    alice: Visitor, typed: str, kept: str
) -> None:
    assert data(await alice.put(ME, nickname=typed))["nickname"] == kept
    assert data(await alice.get(ME))["nickname"] == kept


@pytest.mark.parametrize(
    "nickname",
    [
        None,
        7,
        True,
        [],
        {},
        ["阿丽"],
        "",
        "   ",
        "\u3000\u00a0",
        "\u200b",
        "\u200d",
        "\ufe0f",
        "\u202e\u2066",
        "二" * 21,
        "😀" * 21,
        "阿\n丽",
        "阿\t丽",
        "阿\u2028丽",
        "阿\x00丽",
        "阿\x07丽",
        "阿\x85丽",
        "阿\x9b丽",
    ],
)
async def test_a_nickname_has_1_to_20_characters_that_can_be_seen(
    alice: Visitor, nickname: object
) -> None:
    answer = await alice.put(ME, nickname=nickname)

    assert refusal(answer, 400) == "invalid_request"
    assert "nickname" in answer.json()["error"] or "control" in answer.json()["error"]
    assert data(await alice.get(ME))["nickname"] == "戒烟勇士"


async def test_a_lone_surrogate_is_refused(alice: Visitor) -> None:
    answer = await alice.request(
        "PUT",
        ME,
        content=b'{"nickname": "a\\ud83d"}',
        headers={"Content-Type": "application/json"},
    )

    assert refusal(answer, 400) == "invalid_request"


async def test_the_refused_value_is_not_repeated(alice: Visitor) -> None:
    answer = await alice.put(ME, avatar="http://secret.test/token=abc")

    assert refusal(answer, 400) == "invalid_request"
    assert "secret.test" not in answer.text


@pytest.mark.parametrize("avatar", ["https://a.test/1.png", "https://a.test/" + "x" * 485, None])
async def test_an_avatar_is_an_https_address_or_none(alice: Visitor, avatar: str | None) -> None:
    data(await alice.put(ME, avatar="https://a.test/before"))

    assert data(await alice.put(ME, avatar=avatar))["avatar"] == avatar


@pytest.mark.parametrize(
    "avatar",
    [
        "",
        "https://",
        "http://a.test/1.png",
        "//a.test/1.png",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        " https://a.test/1.png",
        "https://a.test/1 2.png",
        'https://a.test/"><script>',
        "https://a.test/\n",
        "https://a.test/" + "x" * 486,
        7,
        ["https://a.test"],
    ],
)
async def test_another_address_is_refused(alice: Visitor, avatar: object) -> None:
    assert await field_at_fault(alice, avatar=avatar) == "avatar"


@pytest.mark.parametrize(
    "field",
    ["id", "memberType", "totalDays", "makeupCards", "timezone", "openid", "phone", "nick_name"],
)
async def test_what_is_not_for_the_person_to_set_is_an_unknown_field(
    alice: Visitor, field: str
) -> None:
    before = data(await alice.get(ME))

    assert await field_at_fault(alice, **{field: "ai"}) == field
    assert data(await alice.get(ME)) == before


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b"7", b"{", b"", b'{"nickname":"a",}'])
async def test_a_body_that_is_no_object_is_refused(alice: Visitor, body: bytes) -> None:
    answer = await alice.request(
        "PUT", ME, content=body, headers={"Content-Type": "application/json"}
    )

    assert refusal(answer, 400) == "invalid_request"


async def test_what_is_already_so_is_no_change(alice: Visitor, ctx: Context) -> None:
    whole = {"nickname": "阿丽", **CHAOYANG}
    first = data(await alice.put(ME, **whole))
    version = await ctx.db.fetchval("SELECT version FROM users")
    events = await ctx.db.fetchval("SELECT count(*) FROM outbox")

    assert data(await alice.put(ME)) == first
    assert data(await alice.put(ME, **whole)) == first
    assert await ctx.db.fetchval("SELECT version FROM users") == version
    assert await ctx.db.fetchval("SELECT count(*) FROM outbox") == events


async def test_a_run_that_broke_is_zero_also_when_merely_read(
    alice: Visitor, clock: FrozenClock
) -> None:
    data(await alice.post("/check-in"))
    counted = []
    for _ in range(3):
        profile = data(await alice.get(ME))
        counted.append((profile["totalDays"], profile["consecutiveDays"]))
        clock.advance(days=1)

    assert counted == [(1, 1), (1, 1), (1, 0)]


@pytest.mark.parametrize("tier", ["vip", "ai"])
async def test_a_membership_is_free_from_the_moment_it_expires(
    alice: Visitor, ctx: Context, clock: FrozenClock, tier: str
) -> None:
    expiry = START + timedelta(days=4)
    await ctx.db.execute("UPDATE users SET member_type = $1, member_expiry_at = $2", tier, expiry)
    clock.set(expiry - timedelta(microseconds=1))
    profile = data(await alice.get(ME))
    assert (profile["memberType"], profile["memberExpiryAt"]) == (tier, "2025-12-05T01:00:00Z")

    clock.set(expiry)
    assert data(await alice.get(ME))["memberType"] == "free"


async def test_simultaneous_changes_of_different_fields_lose_nothing(alice: Visitor) -> None:
    for number in range(5):
        change = {
            "nickname": f"阿丽{number}",
            "avatar": f"https://a.test/{number}",
            "street": f"第{number}街",
        }
        data(await alice.put(ME, **CHAOYANG))
        answers = await asyncio.gather(
            *(alice.put(ME, **{name: value}) for name, value in change.items()),
            alice.put(f"{ME}/settings", dailyAmount=10 + number),
        )
        profile = data(await alice.get(ME))

        assert [answer.status_code for answer in answers] == [200] * 4
        assert {name: profile[name] for name in change} == change
        assert data(await alice.get(f"{ME}/settings"))["dailyAmount"] == 10 + number


@pytest.mark.parametrize("blank", "\u115f\u1160\u2800\u3164\uffa0")
async def test_letters_without_ink_make_no_nickname(alice: Visitor, blank: str) -> None:
    assert refusal(await alice.put(ME, nickname=blank * 3), 400) == "invalid_request"
    assert data(await alice.put(ME, nickname=f"戒{blank}烟"))["nickname"] == f"戒{blank}烟"


@pytest.mark.parametrize("marks", ["\u0336", "\u0336\u0315\u0301", "\u20e3"])
async def test_a_tower_of_marks_makes_no_nickname(alice: Visitor, marks: str) -> None:
    assert refusal(await alice.put(ME, nickname=f"戒{(marks * 5)[:5]}烟"), 400) == "invalid_request"
    for few in ("ཧཱུྃ", "1\ufe0f\u20e3", "ế", "戒\u0336烟\u0336"):
        assert data(await alice.put(ME, nickname=few))["nickname"]
