"""What a notice is made of."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec


class NewNotice(msgspec.Struct, frozen=True):
    """To be stored. Of two with the same `user_id` and `once_key` only the first is.

    `as_of`: when it was true; None: when it is stored.
    """

    user_id: int
    type: str
    once_key: str
    data: Mapping[str, Any]
    as_of: datetime | None = None


class Notice(msgspec.Struct, frozen=True):
    """A stored notice, in the order of COLUMNS. `data` is JSON as PostgreSQL keeps it."""

    id: int
    user_id: int
    type: str
    data: msgspec.Raw
    created_at: datetime
    read_at: datetime | None


COLUMNS = ", ".join(Notice.__struct_fields__)
