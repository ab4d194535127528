"""A circuit breaker: who fails again and again is left alone for a while, then tried by one."""

import time
from collections import deque
from collections.abc import Callable

FAILURES = 5
WINDOW_SECONDS = 30.0
REST_SECONDS = 30.0

Ticket = int


class Breaker:
    """Opens at `failures` failures within `window` seconds; after `rest` seconds one call may try.

    Every ticket is to be handed back once, to `succeeded`, `failed` or `left`. A ticket from before
    the breaker opened or closed decides nothing any more.
    """

    def __init__(
        self,
        failures: int = FAILURES,
        window: float = WINDOW_SECONDS,
        rest: float = REST_SECONDS,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._window, self._rest, self._now = window, rest, now
        self._failures: deque[float] = deque(maxlen=failures)
        self._era: Ticket = 0
        self._rests_until: float | None = None  # None: closed
        self._on_trial = False

    @property
    def is_open(self) -> bool:
        """Also while one call tries whether it may be closed."""
        return self._rests_until is not None

    def enter(self) -> Ticket | None:
        """A ticket for one call; None: keep away."""
        if self._rests_until is None:
            return self._era
        if self._on_trial or self._now() < self._rests_until:
            return None
        self._on_trial = True
        return self._era

    def succeeded(self, ticket: Ticket) -> None:
        """The call did what it should. Ends the rest, where it was the one that tried."""
        if ticket == self._era and self.is_open:
            self._turn(rests_until=None)

    def failed(self, ticket: Ticket) -> None:
        """The call went wrong, and not by its own fault."""
        if ticket != self._era:
            return
        now = self._now()
        self._failures.append(now)
        full = len(self._failures) == self._failures.maxlen
        if self.is_open or (full and now - self._failures[0] <= self._window):
            self._turn(rests_until=now + self._rest)

    def left(self, ticket: Ticket) -> None:
        """Nobody knows how the call would have ended: the next one may try."""
        if ticket == self._era:
            self._on_trial = False

    def _turn(self, *, rests_until: float | None) -> None:
        self._era += 1
        self._rests_until, self._on_trial = rests_until, False
        self._failures.clear()
