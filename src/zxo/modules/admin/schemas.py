"""Bodies of the routes under /admin about codes, people, numbers and jobs."""

import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import msgspec
from pydantic import AwareDatetime, Field, StrictInt, StringConstraints

from zxo.kit.jobs import Parked
from zxo.kit.pages import CursorField, LimitField
from zxo.kit.web import Body, Reply
from zxo.modules import statistics
from zxo.modules.admin.models import By, Person, View
from zxo.modules.membership import Batch, Change, CodeType, ListedCode, NewBatch, Plan, Tier


class BatchBody(Body):
    """`count` random codes, or one that reads `text`. `maxUses`: people; -1: any number."""

    code_type: CodeType
    count: Annotated[StrictInt, Field(ge=1, le=10_000)] = 1
    text: Annotated[str, StringConstraints(min_length=6, max_length=50)] | None = None
    duration_days: Annotated[StrictInt, Field(ge=1, le=3660)] | None = None
    makeup_card_count: Annotated[StrictInt, Field(ge=1, le=100)] | None = None
    max_uses: Annotated[StrictInt, Field(ge=-1, le=1_000_000_000)] = 1
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None

    def plan(self) -> Plan:
        return Plan(**self.model_dump())


class SearchBody(Body):
    """`text` is all of an id, an openid or a phone number, or the beginning of a nickname."""

    by: By = "nickname"
    text: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    limit: LimitField = 50
    cursor: CursorField = None


class GrantBody(Body):
    """Without `days`: three calendar months, for `ai` only."""

    tier: Tier
    days: Annotated[StrictInt, Field(ge=1, le=3660)] | None = None


class BanBody(Body):
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class BatchReply(Reply, frozen=True):
    """`codes` were made; `active` of them are not disabled; `uses`: redeemed so often."""

    id: UUID
    code_type: str
    duration_days: int | None
    makeup_card_count: int | None
    max_uses: int
    valid_from: datetime.datetime | None
    valid_until: datetime.datetime | None
    codes: int
    active: int
    uses: int
    created_by: int | None
    created_at: datetime.datetime

    @classmethod
    def of(cls, batch: Batch) -> Self:
        return cls(**{name: getattr(batch, name) for name in cls.__struct_fields__})


class NewBatchReply(Reply, frozen=True):
    """The only time that the texts are told."""

    batch: BatchReply
    texts: list[str]

    @classmethod
    def of(cls, made: NewBatch) -> Self:
        return cls(BatchReply.of(made.batch), made.texts)


class BatchList(Reply, frozen=True):
    """Newest first."""

    batches: list[BatchReply]
    next_cursor: str | None


class CodeItem(Reply, frozen=True):
    """`code` is masked."""

    id: int
    batch_id: UUID
    code: str
    code_type: str
    max_uses: int
    current_uses: int
    is_active: bool
    created_at: datetime.datetime

    @classmethod
    def of(cls, code: ListedCode) -> Self:
        return cls(
            id=code.id,
            batch_id=code.batch_id,
            code=code.code_hint,
            code_type=code.code_type,
            max_uses=code.max_uses,
            current_uses=code.current_uses,
            is_active=code.is_active,
            created_at=code.created_at,
        )


class CodeList(Reply, frozen=True):
    """Newest first."""

    codes: list[CodeItem]
    next_cursor: str | None


class DisabledReply(Reply, frozen=True):
    """How many codes were active until now."""

    disabled: int


class PersonReply(Reply, frozen=True):
    """`phone` is masked; `memberType` is the tier in force."""

    id: int
    nickname: str
    avatar: str | None
    openid: str | None
    phone: str | None
    member_type: str
    member_expiry_at: datetime.datetime | None
    total_days: int
    consecutive_days: int
    makeup_cards: int
    province: str | None
    city: str | None
    timezone: str
    created_at: datetime.datetime
    banned_at: datetime.datetime | None
    ban_reason: str | None
    deleted_at: datetime.datetime | None

    @classmethod
    def of(cls, person: Person, phone: str | None, tier: str) -> Self:
        same = cls.__struct_fields__ & msgspec.structs.asdict(person).keys()
        named = {name: getattr(person, name) for name in same}
        return cls(**{**named, "phone": phone, "member_type": tier})


class PeopleList(Reply, frozen=True):
    users: list[PersonReply]
    next_cursor: str | None


class UsageReply(Reply, frozen=True):
    """Messages and tokens; tokens with those reserved for answers that are being given."""

    requests: int
    tokens: int


class CoachReply(Reply, frozen=True):
    """Use of the coach, today and on the last 30 dates, where the person lives."""

    today: UsageReply
    last_30_days: UsageReply


class ViewReply(Reply, frozen=True):
    user: PersonReply
    sessions: int
    coach: CoachReply

    @classmethod
    def of(cls, view: View, person: PersonReply) -> Self:
        used = (UsageReply(used.requests, used.tokens) for used in (view.today, view.lately))
        return cls(person, view.sessions, CoachReply(*used))


class MembershipReply(Reply, frozen=True):
    member_type_before: str
    member_type_after: str
    expiry_before: datetime.datetime | None
    expiry_after: datetime.datetime | None

    @classmethod
    def of(cls, change: Change) -> Self:
        return cls(change.before, change.after, change.expiry_before, change.expiry_after)


class Figure(Reply, frozen=True):
    type: str
    date: datetime.date
    data: Any

    @classmethod
    def of(cls, row: statistics.Row) -> Self:
        return cls(row.stat_type, row.stat_date, msgspec.json.decode(row.stat_data))


class FigureList(Reply, frozen=True):
    """By day and type."""

    statistics: list[Figure]


class JobReply(Reply, frozen=True):
    id: int
    name: str
    created_at: datetime.datetime
    failed_at: datetime.datetime
    error: str | None

    @classmethod
    def of(cls, job: Parked) -> Self:
        return cls(job.id, job.name, job.created_at, job.failed_at, job.error)


class JobList(Reply, frozen=True):
    """Newest first."""

    jobs: list[JobReply]
    next_cursor: str | None


class SettingsInForce(Reply, frozen=True):
    """By the names of the variables; secrets are stars."""

    settings: dict[str, Any]


Format = Literal["json", "csv"]
