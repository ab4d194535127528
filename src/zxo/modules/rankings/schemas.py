"""Bodies of /rankings."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Self

import msgspec

from zxo.kit.web import Reply
from zxo.modules.checkins import rank_of
from zxo.modules.rankings.models import Absence, Mine, MyPlace, Past, Row
from zxo.modules.rankings.rules import BoardType, percentile


class Entry(Reply, frozen=True):
    rank: int
    user_id: int
    nickname: str
    avatar: str | None
    total_days: int
    current_rank: str
    stars: int

    @classmethod
    def of(cls, row: Row) -> Self:
        tier = rank_of(row.place.days)
        return cls(
            rank=row.rank,
            user_id=row.place.user_id,
            nickname=row.person.nickname,
            avatar=row.person.avatar,
            total_days=row.place.days,
            current_rank=tier.rank,
            stars=tier.stars,
        )


def render(rows: Sequence[Row]) -> msgspec.Raw:
    """The lines as JSON."""
    return msgspec.Raw(msgspec.json.encode([Entry.of(row) for row in rows]))


NOBODY = render([])


class MyRanking(Reply, frozen=True, omit_defaults=True):
    """Rank, days and percentile, or only `hidden` where the person does not want to be shown."""

    rank: int | None = None
    total_days: int | None = None
    percentile: float | None = None
    hidden: bool = False

    @classmethod
    def of(cls, standing: MyPlace) -> Self | None:
        if isinstance(standing, Absence):
            return cls(hidden=True)
        if standing is None:
            return None
        return cls(standing.rank, standing.days, percentile(standing.rank, standing.total))


# Described as what it holds; given as JSON that is ready.
Rendered = Sequence[Entry] | msgspec.Raw


class RankingsReply(Reply, frozen=True):
    rankings: Rendered
    my_ranking: MyRanking | None
    next_cursor: str | None


class AroundReply(Reply, frozen=True):
    rankings: Rendered
    my_ranking: MyRanking | None


class BoardReply(Reply, frozen=True, omit_defaults=True):
    """Rank, users and percentile, or one of `hidden` and `locked` (the board is for members)."""

    rank: int | None = None
    total_users: int | None = None
    percentile: float | None = None
    hidden: bool = False
    locked: bool = False

    @classmethod
    def of(cls, standing: MyPlace) -> Self | None:
        if isinstance(standing, Mine):
            share = percentile(standing.rank, standing.total)
            return cls(standing.rank, standing.total, share)
        if standing is None:
            return None
        return cls(hidden=standing is Absence.HIDDEN, locked=standing is Absence.LOCKED)


class MyRankings(Reply, frozen=True):
    """A board is null where the part of the region is unset, and before the first day."""

    national: BoardReply | None
    province: BoardReply | None
    city: BoardReply | None
    district: BoardReply | None
    street: BoardReply | None

    @classmethod
    def of(cls, standings: Mapping[BoardType, MyPlace]) -> Self:
        return cls(**{kind: BoardReply.of(standing) for kind, standing in standings.items()})


class PastReply(Reply, frozen=True):
    date: datetime.date
    region: str
    rank: int
    total_days: int

    @classmethod
    def of(cls, past: Past) -> Self:
        return cls(past.date, past.region, past.rank, past.total_days)


class HistoryReply(Reply, frozen=True):
    """Newest first; days on which the person was not on the board are missing."""

    type: BoardType
    history: list[PastReply]
