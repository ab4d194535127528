"""What happened on the boards."""

from datetime import datetime

from zxo.kit.outbox import Event


class RankChanged(Event, frozen=True):
    """Somebody who is about stands elsewhere than before.

    `ranks`: by board type (national, province, ...), the rank then; None where no longer on it.
    """

    user_id: int
    as_of: datetime
    ranks: dict[str, int | None]


class BoardMissed(Event, frozen=True):
    """Somebody asked for a board that Valkey does not have."""

    type: str
    code: str
