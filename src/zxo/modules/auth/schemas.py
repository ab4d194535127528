"""Bodies of /auth and of the list of sessions."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import StringConstraints

from zxo.kit.web import Body, Reply
from zxo.modules.auth.models import LoggedIn, Session
from zxo.modules.phones import PhoneText, SmsCodeText
from zxo.modules.users import AvatarUrl, Nickname, User


class WechatLoginBody(Body):
    code: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    nickname: Nickname | None = None
    avatar: AvatarUrl | None = None


class SmsLoginBody(Body):
    phone: PhoneText
    code: SmsCodeText
    nickname: Nickname | None = None


class LoginUser(Reply, frozen=True):
    id: int
    nickname: str
    avatar: str | None
    member_type: str
    total_days: int
    consecutive_days: int

    @classmethod
    def of(cls, user: User, now: datetime) -> Self:
        return cls(
            id=user.id,
            nickname=user.nickname,
            avatar=user.avatar,
            member_type=user.tier(now),
            total_days=user.total_days,
            consecutive_days=user.run(user.today(now)),
        )


class LoginReply(Reply, frozen=True):
    token: str
    user: LoginUser

    @classmethod
    def of(cls, login: LoggedIn, now: datetime) -> Self:
        return cls(login.token, LoginUser.of(login.user, now))


class TokenReply(Reply, frozen=True):
    token: str


class SessionItem(Reply, frozen=True):
    id: UUID
    device: str
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime
    current: bool

    @classmethod
    def of(cls, session: Session, current_id: str) -> Self:
        return cls(
            id=session.id,
            device=session.device,
            created_at=session.created_at,
            refreshed_at=session.refreshed_at,
            expires_at=session.expires_at,
            current=str(session.id) == current_id,
        )


class SessionList(Reply, frozen=True):
    sessions: list[SessionItem]
    next_cursor: str | None
