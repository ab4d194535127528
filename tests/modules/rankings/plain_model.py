"""The boards as one would explain them: a list that is sorted."""

from collections.abc import Iterator
from dataclasses import dataclass, field

LEVELS = ("national", "province", "city", "district", "street")


@dataclass
class Person:
    id: int
    days: int = 0
    reached: int = 0  # seconds since 1970
    region: tuple[str | None, ...] = (None, None, None, None)
    hidden: bool = False
    deleted: bool = False

    def boards(self) -> Iterator[tuple[str, tuple[str | None, ...]]]:
        """(type, path) of every board that the person's region has."""
        for level, kind in enumerate(LEVELS):
            if level == 0 or self.region[level - 1] is not None:
                yield kind, self.region[:level]


@dataclass
class PlainBoards:
    people: list[Person] = field(default_factory=list)

    def standing(self, kind: str, path: tuple[str | None, ...]) -> list[tuple[int, int]]:
        """(id, days), the best first."""
        there = [
            person
            for person in self.people
            if (kind, path) in person.boards()
            and person.days
            and not person.hidden
            and not person.deleted
        ]
        there.sort(key=lambda person: (-person.days, person.reached, -person.id))
        return [(person.id, person.days) for person in there]

    def all(self) -> dict[tuple[str, tuple[str | None, ...]], list[tuple[int, int]]]:
        """Every board that somebody's region has."""
        names = {board for person in self.people for board in person.boards()}
        return {board: self.standing(*board) for board in names}
