"""What a statistic is."""

from datetime import date, datetime

import msgspec


class Row(msgspec.Struct, frozen=True):
    """A row of statistics, in the order of COLUMNS. `stat_data` is JSON as PostgreSQL keeps it."""

    stat_type: str
    stat_date: date
    stat_data: msgspec.Raw
    created_at: datetime


COLUMNS = ", ".join(Row.__struct_fields__)
