"""The circuit breaker, by a clock of our own."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from zxo.kit.breaker import Breaker


@dataclass
class Now:
    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


def opened(now: Now) -> Breaker:
    breaker = Breaker(now=now)
    for _ in range(5):
        fail(breaker)
    return breaker


def fail(breaker: Breaker) -> None:
    ticket = breaker.enter()
    assert ticket is not None
    breaker.failed(ticket)


def test_five_failures_within_thirty_seconds_open_it() -> None:
    now = Now()
    breaker = Breaker(now=now)
    for _ in range(4):
        fail(breaker)
    now.seconds += 30
    assert not breaker.is_open
    fail(breaker)
    assert breaker.is_open
    assert breaker.enter() is None


def test_failures_far_from_each_other_do_not_open_it() -> None:
    now = Now()
    breaker = Breaker(now=now)
    for _ in range(50):
        fail(breaker)
        now.seconds += 7.6
    assert not breaker.is_open


def test_it_rests_for_thirty_seconds() -> None:
    now = Now()
    breaker = opened(now)
    now.seconds += 29.9
    assert breaker.enter() is None
    now.seconds += 0.1
    assert breaker.enter() is not None


def test_after_the_rest_exactly_one_of_twenty_tries() -> None:
    now = Now()
    breaker = opened(now)
    now.seconds += 30
    assert sum(breaker.enter() is not None for _ in range(20)) == 1
    assert breaker.is_open


def test_a_trial_that_succeeds_closes_it_and_forgets_the_failures() -> None:
    now = Now()
    breaker = opened(now)
    now.seconds += 30
    breaker.succeeded(breaker.enter() or 0)
    assert not breaker.is_open
    for _ in range(4):
        fail(breaker)
    assert not breaker.is_open
    assert all(breaker.enter() is not None for _ in range(20))


def test_a_trial_that_fails_opens_it_for_another_rest() -> None:
    now = Now()
    breaker = opened(now)
    now.seconds += 30
    fail(breaker)
    now.seconds += 29.9
    assert breaker.enter() is None
    now.seconds += 0.1
    assert breaker.enter() is not None


def test_a_trial_that_nobody_waited_for_leaves_the_place_to_the_next() -> None:
    now = Now()
    breaker = opened(now)
    now.seconds += 30
    ticket = breaker.enter()
    assert ticket is not None
    breaker.left(ticket)
    assert breaker.is_open
    assert breaker.enter() is not None
    assert breaker.enter() is None


def test_calls_from_before_it_opened_decide_nothing() -> None:
    now = Now()
    breaker = Breaker(now=now)
    early = [breaker.enter() or 0 for _ in range(3)]
    for _ in range(5):
        fail(breaker)
    breaker.succeeded(early[0])
    assert breaker.is_open
    now.seconds += 30
    trial = breaker.enter()
    assert trial is not None
    breaker.failed(early[1])
    breaker.left(early[2])
    assert breaker.enter() is None, "the trial still runs"
    breaker.succeeded(trial)
    assert not breaker.is_open


@dataclass
class Plain:
    """The same by a list of what happened, for calls that end before the next begins."""

    failures: list[float] = field(default_factory=list)
    opened_at: float | None = None

    def lets_in(self, now: float) -> bool:
        return self.opened_at is None or now - self.opened_at >= 30

    def ended(self, well: bool, now: float) -> None:
        trial = self.opened_at is not None
        if well:
            self.failures = [] if trial else self.failures
            self.opened_at = None
            return
        self.failures.append(now)
        if trial or sum(now - at <= 30 for at in self.failures) >= 5:
            self.failures, self.opened_at = [], now


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["bad", "bad", "good", "left"]))))
def test_it_does_what_a_list_of_all_that_happened_says(calls: list[tuple[int, str]]) -> None:
    now, plain = Now(), Plain()
    breaker = Breaker(now=now)
    for pause, ending in calls:
        now.seconds += pause / 4
        ticket = breaker.enter()
        assert (ticket is not None) == plain.lets_in(now.seconds)
        if ticket is None:
            continue
        if ending != "left":
            plain.ended(ending == "good", now.seconds)
        {"bad": breaker.failed, "good": breaker.succeeded, "left": breaker.left}[ending](ticket)
        assert breaker.is_open == (plain.opened_at is not None)
