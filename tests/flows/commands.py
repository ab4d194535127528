"""How a command ended."""

from collections.abc import Callable
from typing import NamedTuple


class Ended(NamedTuple):
    status: int
    out: str
    err: str


Run = Callable[..., Ended]


def assert_one_line(ended: Ended, *texts: str, status: int = 1) -> None:
    assert (ended.status, len(ended.err.splitlines()), ended.out) == (status, 1, ""), ended
    for text in texts:
        assert text in ended.err
