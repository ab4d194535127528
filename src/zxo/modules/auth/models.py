"""What a log-in leaves behind."""

from datetime import datetime
from uuid import UUID

import msgspec

from zxo.modules.users import User


class Session(msgspec.Struct, frozen=True):
    """A row of sessions, in the order of COLUMNS: one log-in on one device."""

    id: UUID
    user_id: int
    device: str
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime


COLUMNS = ", ".join(Session.__struct_fields__)


class LoggedIn(msgspec.Struct, frozen=True):
    """What a successful log-in gives: a token, and whose it is."""

    token: str
    user: User
