"""What happened on a check-in."""

from datetime import date

from zxo.kit.outbox import Event


class CheckedIn(Event, frozen=True):
    """A day was counted, by a check-in or a makeup. `version` is that of the user's row."""

    user_id: int
    version: int
    check_in_date: date
    is_makeup: bool
    total_days: int
    consecutive_days: int
    is_rank_up: bool
