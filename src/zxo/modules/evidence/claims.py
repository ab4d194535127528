"""Reads the packaged data once, at import, and says what would be wrong with such data."""

from collections.abc import Iterable, Iterator, Sequence
from importlib import resources

import msgspec

from zxo.modules.evidence.models import Claim, Entry, Milestone, Source


class Evidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of one data file, or of all of them together.

    `words`: ways of saying the same thing, a line for each thing that people ask about; `subject`:
    words that show that smoking, or the coach, is spoken of at all; `elsewhere`: words that only
    look like them.
    """

    sources: tuple[Source, ...] = ()
    milestones: tuple[Milestone, ...] = ()
    claims: tuple[Claim, ...] = ()
    entries: tuple[Entry, ...] = ()
    words: tuple[tuple[str, ...], ...] = ()
    subject: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()


def load() -> Evidence:
    """All data files beside this one. Raises msgspec.ValidationError where one is malformed."""
    files = sorted(resources.files(__package__).iterdir(), key=lambda file: file.name)
    parts = [read(file.read_bytes()) for file in files if file.name.endswith(".toml")]
    return Evidence(
        sources=tuple(source for part in parts for source in part.sources),
        milestones=tuple(milestone for part in parts for milestone in part.milestones),
        claims=tuple(claim for part in parts for claim in part.claims),
        entries=tuple(entry for part in parts for entry in part.entries),
        words=tuple(spellings for part in parts for spellings in part.words),
        subject=tuple(word for part in parts for word in part.subject),
        elsewhere=tuple(word for part in parts for word in part.elsewhere),
    )


def read(toml: bytes) -> Evidence:
    """One data file. Raises msgspec.ValidationError where it is malformed."""
    return msgspec.toml.decode(toml, type=Evidence)


def faults(evidence: Evidence) -> list[str]:
    """What forbids to ship these claims: no source, an unknown or unused one, a name used twice."""
    known = {source.id for source in evidence.sources}
    cited = list(_cited(evidence))
    used = {source for _, sources in cited for source in sources}
    return [
        *(f"{claim} names no source" for claim, sources in cited if not sources),
        *(f"nobody knows the source {source}" for source in sorted(used - known)),
        *(f"nothing rests on the source {source}" for source in sorted(known - used)),
        *_twice("source", evidence.sources),
        *_twice("milestone", evidence.milestones),
        *_twice("claim", evidence.claims),
        *_twice("entry", evidence.entries),
    ]


def _cited(evidence: Evidence) -> Iterator[tuple[str, Sequence[str]]]:
    yield from ((milestone.id, milestone.sources) for milestone in evidence.milestones)
    yield from ((claim.id, claim.sources) for claim in evidence.claims)
    yield from ((entry.id, entry.sources) for entry in evidence.entries)
    for milestone in evidence.milestones:
        yield from ((milestone.id, (other.source,)) for other in milestone.differs)


def _twice(
    kind: str, things: Iterable[Source] | Iterable[Milestone] | Iterable[Claim] | Iterable[Entry]
) -> Iterator[str]:
    seen: set[str] = set()
    for thing in things:
        if thing.id in seen:
            yield f"two of the kind {kind} are called {thing.id}"
        seen.add(thing.id)


ALL = load()
