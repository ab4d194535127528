"""The one clock: nothing else in the program asks what time it is."""

from datetime import UTC, datetime, timedelta


class Clock:
    """Real time, or a clock that began at `start` and ticks on (development and tests)."""

    def __init__(self, start: datetime | None = None) -> None:
        self._offset = start - datetime.now(UTC) if start else timedelta()

    def now(self) -> datetime:
        """The present instant, in UTC."""
        return datetime.now(UTC) + self._offset

    def timestamp_ms(self) -> int:
        """The present instant as milliseconds since 1970."""
        return int(self.now().timestamp() * 1000)
