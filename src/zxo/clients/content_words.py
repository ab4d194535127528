"""A list of words, and whether a text says one of them, however it is spaced out."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

PACKAGED = Path(__file__).with_name("content_words.txt")


class WordList:
    """Words in letters of ASCII are found as whole words, all others anywhere.

    Width, case, spaces, punctuation and invisible marks do not matter for the latter.
    """

    def __init__(self, words: Iterable[str]) -> None:
        plain = {_folded(word).strip() for word in words}
        squeezed = {_squeezed(word) for word in plain if not word.isascii()}
        self._anywhere = _pattern(squeezed - {""}, "{}")
        self._as_words = _pattern({word for word in plain if word and word.isascii()}, r"\b{}\b")

    def finds(self, text: str) -> bool:
        """Whether `text` says one of the words."""
        folded = _folded(text)
        return bool(
            (self._anywhere and self._anywhere.search(_squeezed(folded)))
            or (self._as_words and self._as_words.search(folded))
        )


def read_words(*files: Path) -> list[str]:
    """The lines of the files that are neither empty nor a comment (#).

    A byte order mark is skipped. Raises OSError, and ValueError where a file is not UTF-8.
    """
    lines = (line.strip() for file in files for line in file.read_text("utf-8-sig").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _pattern(words: Iterable[str], frame: str) -> re.Pattern[str] | None:
    choices = "|".join(map(re.escape, sorted(words)))
    return re.compile(frame.format(f"(?:{choices})")) if choices else None


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _squeezed(folded: str) -> str:
    """Its letters and digits alone."""
    return "".join(letter for letter in folded if letter.isalnum())
