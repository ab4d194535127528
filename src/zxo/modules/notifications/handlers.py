"""Reactions and scheduled work of notifications."""

from collections.abc import Iterator

from zxo.context import Context
from zxo.modules import membership
from zxo.modules.checkins import CheckedIn, rank_of
from zxo.modules.membership import MembershipChanged, MembershipEnds
from zxo.modules.notifications import reminders, rules, service
from zxo.modules.notifications.models import NewNotice
from zxo.modules.rankings import RankChanged


async def tell_of_days(ctx: Context, events: list[CheckedIn]) -> None:
    """Show a counted day on the person's other screens; tell of milestones and new tiers.

    Who has checked in finds that day's reminder read.
    """
    proud = [event for event in events if event.is_rank_up or event.total_days in rules.MILESTONES]
    wanting = await service.want_milestones(ctx, {event.user_id for event in proud})
    notices = [_counted(event) for event in events]
    for event in proud:
        if event.user_id in wanting:
            notices += _achieved(event)
    await service.add(ctx, notices)
    await service.settle_reminders(ctx, [(event.user_id, event.check_in_date) for event in events])


def _counted(event: CheckedIn) -> NewNotice:
    rank = rank_of(event.total_days)
    data = {
        "checkInDate": event.check_in_date,
        "isMakeup": event.is_makeup,
        "totalDays": event.total_days,
        "consecutiveDays": event.consecutive_days,
        "currentRank": rank.rank,
        "stars": rank.stars,
        "isRankUp": event.is_rank_up,
    }
    return NewNotice(event.user_id, "check_in", f"check_in:{event.check_in_date}", data)


def _achieved(event: CheckedIn) -> Iterator[NewNotice]:
    days, rank = event.total_days, rank_of(event.total_days)
    if days in rules.MILESTONES:
        yield NewNotice(event.user_id, "milestone", f"milestone:{days}", rules.milestone(days))
    if event.is_rank_up:
        data = rules.rank_up(rank.rank, rank.stars)
        yield NewNotice(event.user_id, "rank_up", f"rank_up:{rank.rank}", data)


async def tell_of_ranks(ctx: Context, events: list[RankChanged]) -> None:
    """Show new ranks on the screens of whoever is about; only the latest is kept."""
    key = "ranking_changed"
    notices = [NewNotice(event.user_id, key, key, event.ranks, event.as_of) for event in events]
    await service.replace(ctx, notices)


async def tell_of_memberships(ctx: Context, events: list[MembershipChanged]) -> None:
    """Say what has become of a membership; nothing to who was free and is."""
    key = "membership_changed"
    await service.add(
        ctx,
        [
            NewNotice(event.user_id, key, f"{key}:{event.version}", rules.membership(event))
            for event in events
            if not event.before == event.after == "free"
        ],
    )


async def tell_of_ends(ctx: Context, events: list[MembershipEnds]) -> None:
    """Say that a membership ends, once in three days' time and once on the day.

    A membership that was extended or changed since is another one, and has its own notices.
    """
    current = await membership.still_ending(ctx, {(item.user_id, item.expiry) for item in events})
    notices = [
        NewNotice(
            event.user_id,
            rules.MEMBERSHIP_ENDS,
            f"{rules.MEMBERSHIP_ENDS}:{event.stage}:{event.expiry.isoformat()}",
            rules.membership_ends(event),
        )
        for event in events
        if (event.user_id, event.expiry) in current
    ]
    await service.add(ctx, notices)


async def remind(ctx: Context) -> None:
    """Remind whoever has not checked in, at their own time."""
    await reminders.remind(ctx, service.add)


async def prune(ctx: Context) -> None:
    """Delete what has expired."""
    await service.prune(ctx)
