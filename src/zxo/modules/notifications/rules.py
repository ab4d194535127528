"""What people are told, when, and in which words."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from zxo.kit.zones import zone
from zxo.modules.membership import MembershipChanged, MembershipEnds

MILESTONES = frozenset({1, 3, 7, 14, 30, 60, 90, 100, 180, 270, 365})  # days counted

# Events of the sockets. Whatever else is told goes out as "notification", its kind in the data.
EVENTS = frozenset({"check_in", "rank_up", "milestone", "ranking_changed", "membership_changed"})
# Only for screens that are open, or were a moment ago: not in the inbox.
LIVE_ONLY = frozenset({"check_in", "ranking_changed"})
REMINDER = "check_in_reminder"
MEMBERSHIP_ENDS = "membership_ends"

_INBOX_KEPT = timedelta(days=180)
_BRIEFLY_KEPT = timedelta(days=7)
_SHORT_LIVED = LIVE_ONLY | {REMINDER}

# A worker that was away does not remind of what is long past.
LATEST = timedelta(hours=2)
FIRST_LOOK = timedelta(minutes=1)  # how far back the very first look goes

_MINUTE = timedelta(minutes=1)
_FIRST_DAY = "第一天，开始了"
# Days counted are not days since the last cigarette: nothing is said of what the body does by now.
_WORDS = {
    1: "想开始的念头，今天变成了行动。",
    3: "三天里的每一次忍住，都算数。",
    7: "七天了，给自己一点掌声。",
    14: "十四天，一步一步，走得很稳。",
    30: "三十天，都是你一天一天攒下来的。",
    60: "六十天，难的时候你也走过来了。",
    90: "九十天，你已经走了很远。",
    100: "一百天，值得好好庆祝一下。",
    180: "一百八十天，谢谢一直没放弃的你。",
    270: "二百七十天，每一天都很了不起。",
    365: "三百六十五天，你做到了。",
}


_TIERS = {"vip": "VIP", "ai": "AI 戒烟军师"}
_STILL_THERE = "打卡和本地排名照常，记录都在。"


class Window(NamedTuple):
    """Wall-clock minutes of one day, both ends included."""

    day: date
    first: time
    last: time


def event_of(kind: str) -> str:
    """The event that a notice of this type is to the sockets."""
    return kind if kind in EVENTS else "notification"


def kept(kind: str) -> timedelta:
    """How long a notice of this type is kept."""
    return _BRIEFLY_KEPT if kind in _SHORT_LIVED else _INBOX_KEPT


def milestone(days: int) -> dict[str, Any]:
    """What is said of the milestone `days`."""
    title = _FIRST_DAY if days == 1 else f"坚持了 {days} 天"
    return {"kind": "milestone", "days": days, "title": title, "body": _WORDS[days]}


def rank_up(rank: str, stars: int) -> dict[str, Any]:
    """What is said of a new tier."""
    body = "新的段位，是一天一天走出来的。"
    return {"kind": "rank_up", "rank": rank, "stars": stars, "title": f"升到{rank}", "body": body}


def reminder_key(day: date) -> str:
    """The key under which somebody is reminded of `day` once."""
    return f"{REMINDER}:{day}"


def reminder(day: date) -> dict[str, Any]:
    """What is said to whoever has not checked in on `day` yet."""
    title, body = "今天还没打卡", "点一下就好，今天照样算数。"
    return {"kind": REMINDER, "date": day.isoformat(), "title": title, "body": body}


def membership(event: MembershipChanged) -> dict[str, Any]:
    """What is said of a membership that has changed."""
    title, body = _ended(event) if event.after == "free" else _given(event)
    return {
        "kind": "membership_changed",
        "memberType": event.after,
        "memberTypeBefore": event.before,
        "memberExpiryAt": None if event.after == "free" else event.expiry,
        "cause": event.cause,
        "title": title,
        "body": body,
    }


def _given(event: MembershipChanged) -> tuple[str, str]:
    name = _TIERS[event.after]
    title = f"{name} 已续期" if event.before == event.after else f"{name} 已开通"
    return title, _until(event.ends_on) if event.ends_on else "长期有效。"


def _ended(event: MembershipChanged) -> tuple[str, str]:
    if event.cause == "expiry":
        return f"{_TIERS[event.before]} 已到期", _STILL_THERE
    return "已恢复为普通用户", _STILL_THERE


def membership_ends(event: MembershipEnds) -> dict[str, Any]:
    """What is said of a membership that is about to end."""
    when = f"还有 {event.days_left} 天到期" if event.days_left else "今天到期"
    return {
        "kind": MEMBERSHIP_ENDS,
        "memberType": event.tier,
        "memberExpiryAt": event.expiry,
        "daysLeft": event.days_left,
        "title": f"{_TIERS[event.tier]} {when}",
        "body": _until(event.ends_on),
    }


def _until(day: date) -> str:
    return f"有效期至 {day.year}年{day.month}月{day.day}日。"


def windows(since: datetime, until: datetime, zone_name: str) -> Iterator[Window]:
    """The wall-clock minutes that clocks in the zone come to after `since`, up to `until`.

    Minutes that are left out when clocks are put forward count as come to; those that come twice
    may be told twice.
    """
    here = zone(zone_name)
    local, end = since.astimezone(here), until.astimezone(here)
    if local.utcoffset() == end.utcoffset():
        yield from _stretch(_naive(local), _naive(end))
        return
    while since < until:  # clocks are changed in between: minute by minute
        following = min(since + _MINUTE, until)
        before, after = _naive(since.astimezone(here)), _naive(following.astimezone(here))
        yield from _stretch(before if before <= after else after - _MINUTE, after)
        since = following


def _naive(local: datetime) -> datetime:
    return local.replace(second=0, microsecond=0, tzinfo=None)


def _stretch(before: datetime, end: datetime) -> Iterator[Window]:
    """The whole minutes after `before`, up to `end`, day by day."""
    first = before + _MINUTE
    while first <= end:
        last = min(end, datetime.combine(first.date(), time(23, 59)))
        yield Window(first.date(), first.time(), last.time())
        first = last + _MINUTE
