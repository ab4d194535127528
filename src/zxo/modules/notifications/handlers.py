"""Reactions and scheduled work of notifications."""

from collections.abc import Iterator

from zxo.context import Context
from zxo.modules.checkins import CheckedIn, rank_of
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


async def remind(ctx: Context) -> None:
    """Remind whoever has not checked in, at their own time."""
    await reminders.remind(ctx, service.add)


async def prune(ctx: Context) -> None:
    """Delete what has expired."""
    await service.prune(ctx)
