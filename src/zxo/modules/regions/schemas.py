"""What GET /regions answers."""

from collections.abc import Sequence
from typing import Self

from zxo.kit.web import Reply
from zxo.modules.regions.rules import Division, DivisionSource, source


class Region(Reply, frozen=True):
    code: str
    name: str
    has_children: bool

    @classmethod
    def of(cls, division: Division) -> Self:
        return cls(division.code, division.name, bool(division.parts))


class Regions(Reply, frozen=True):
    """`parent` is the code that was asked for, null for the provinces."""

    parent: str | None
    regions: list[Region]
    source: DivisionSource

    @classmethod
    def of(cls, parent: str | None, inside: Sequence[Division]) -> Self:
        return cls(parent, [Region.of(division) for division in inside], source())
