"""What is known, and who says so."""

import msgspec


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who says it, where and when. `url` is None where we were not sure of an address."""

    id: str
    authority: str
    title: str
    year: int
    url: str | None = None


class Difference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What another authority says of the same thing: `source` is its id."""

    source: str
    says: str


class Milestone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What changes in the body, in minutes since the last cigarette.

    It begins at `starts` for the first people and is told of everybody from `ends` on; the two are
    equal where the source names one time. Months have 30 days here, years 365. `when` is the same
    for people. The text is an average, never a promise to one person.
    """

    id: str
    starts: int
    ends: int
    when: str
    title: str
    text: str
    sources: tuple[str, ...]
    differs: tuple[Difference, ...] = ()


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sentence that may be quoted alone: in a report, or in what a model is told."""

    id: str
    text: str
    sources: tuple[str, ...]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something the coach can say, and the questions that ask for it.

    `text` may hold {names} of the person's own figures: a line whose figures are not known is left
    out; `otherwise` stands in place of such lines where all of them are. `topic` says for a list
    what can be asked.
    """

    id: str
    topic: str
    questions: tuple[str, ...]
    text: str
    sources: tuple[str, ...]
    otherwise: str = ""
