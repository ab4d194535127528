"""Which of the known questions is meant.

A question is taken apart into characters, pairs of characters and words of the subject (each a set
of spellings), and compared with the example questions of every entry by BM25. Measured on questions
that were written after the tuning, this found more than words cut by a segmenter (jieba) and more
than characters alone; tests/modules/coach/test_matching.py holds the figures.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from zxo.kit.hanzi import plain

# How soon repeating a part stops to count, and how much a long list of examples is held against it.
_SATURATION, _LENGTH = 1.2, 0.3
_WORD_WEIGHT = 3.0
# The weight of about twenty characters. Who writes more tells a story around the question: so much
# must be explained of it, and not all. A story of something else has to be explained whole.
_STORY = 80.0
# Asking is the same in every question: what is asked with counts for little.
_ASKING_WEIGHT = 0.3
_ASKING = re.compile(
    "怎么办|怎么回事|是不是|有没有|能不能|可不可以|要不要|什么|怎么|为什么|可以|到底|请问|一下|老是|总是|特别|一个"
    "|[吗呢吧啊呀哦不的了我你您就都会能要是有个很还也这那在老总]"
)
_ALIKE = str.maketrans("支吸", "根抽")


class Match(NamedTuple):
    """`score`: the share of the question that the entry explains, 0 to 1; `lead`: over the next.

    `on_subject`: whether the question says a word that only this subject has.
    """

    name: str
    score: float
    lead: float
    on_subject: bool


class Matcher:
    """`questions`: examples by the name of their entry; `words`: spellings of the same thing.

    `subject`: words that only this subject has, but for those that stand inside of `elsewhere`.
    """

    def __init__(
        self,
        questions: Mapping[str, Sequence[str]],
        words: Sequence[Sequence[str]],
        subject: Sequence[str],
        elsewhere: Sequence[str] = (),
    ) -> None:
        self._subject = _any_of(subject)
        # With nothing to look for the pattern would be empty, and taking "" out changes nothing.
        self._elsewhere = _any_of(elsewhere)
        self._examples = {
            _comparable(example): name
            for name, examples in questions.items()
            for example in examples
        }
        self._words = [_any_of(spellings) for spellings in words]
        counts = {name: self._counted(examples) for name, examples in questions.items()}
        known = Counter(part for parts in counts.values() for part in parts)
        self._rarity = {part: _rarity(len(counts), found) for part, found in known.items()}
        self._unknown = _rarity(len(counts), 0)
        self._postings = _postings(counts)

    def best(self, question: str) -> Match | None:
        """The entry that explains most of `question`; None where no part of it is known."""
        text = _comparable(question)
        if name := self._examples.get(text):
            return Match(name, 1.0, 1.0, True)
        weights = self._weights(text)
        scores: defaultdict[str, float] = defaultdict(float)
        for part, weight in weights.items():
            for name, share in self._postings.get(part, ()):
                scores[name] += weight * share
        if not scores:
            return None
        on_subject = bool(self._subject.search(self._elsewhere.sub("", text)))
        whole = sum(weights.values())
        if on_subject:
            whole = min(whole, _STORY)
        first, second = [*sorted(scores.values(), reverse=True), 0.0][:2]
        name = max(scores, key=lambda each: scores[each])
        score, lead = min(1.0, first / whole), min(1.0, (first - second) / whole)
        return Match(name, score, lead, on_subject)

    def _counted(self, examples: Sequence[str]) -> Counter[str]:
        texts = map(_comparable, examples)
        return Counter(part for text in texts for part in dict(self._parts(text)))

    def _weights(self, text: str) -> dict[str, float]:
        return {
            part: weight * self._rarity.get(part, self._unknown)
            for part, weight in self._parts(text)
        }

    def _parts(self, text: str) -> Iterator[tuple[str, float]]:
        """Each part and what it counts for; a part may come twice, the last one stands."""
        asking = _asking(text)
        for letter, idle in zip(text, asking, strict=True):
            yield letter, _ASKING_WEIGHT if idle else 1.0
        for (one, two), both in zip(pairwise(text), pairwise(asking), strict=True):
            yield one + two, _ASKING_WEIGHT if all(both) else 1.0
        for number, spellings in enumerate(self._words):
            if spellings.search(text):
                yield f"#{number}", _WORD_WEIGHT


def _comparable(text: str) -> str:
    return plain(text).translate(_ALIKE)


def _any_of(spellings: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(_comparable(spelling)) for spelling in spellings))


def _asking(text: str) -> list[bool]:
    """For each letter, whether it belongs to how one asks rather than to what."""
    idle = [False] * len(text)
    for found in _ASKING.finditer(text):
        idle[found.start() : found.end()] = [True] * (found.end() - found.start())
    return idle


def _rarity(entries: int, holding: int) -> float:
    return math.log(1 + (entries - holding + 0.5) / (holding + 0.5))


def _postings(counts: Mapping[str, Counter[str]]) -> Mapping[str, list[tuple[str, float]]]:
    """For each part the entries that hold it, with BM25's share (below 1) of its weight."""
    average = sum(parts.total() for parts in counts.values()) / len(counts)
    postings: defaultdict[str, list[tuple[str, float]]] = defaultdict(list)
    for name, parts in counts.items():
        slack = _SATURATION * (1 - _LENGTH + _LENGTH * parts.total() / average)
        for part, found in parts.items():
            postings[part].append((name, found / (found + slack)))
    return postings
