"""Text comes in one form, and nothing in it breaks a database or a screen."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zxo.kit.text import MAX_DEPTH, clean, clean_deep


def nested(levels: int, inside: object = "x") -> object:
    value = inside
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "\x1b[31m", "\x7f", "\x85", "\x0b"])
def test_control_characters_and_broken_unicode_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="control characters or broken Unicode"):
        clean(text)


def test_lines_and_tabs_are_text() -> None:
    assert clean("one\r\n\ttwo") == "one\r\n\ttwo"


def test_the_same_letters_become_the_same_text() -> None:
    assert clean("e\u0301") == "\u00e9"
    assert clean("\u1112\u1161\u11ab") == "한"


INVISIBLE = (
    "\u00ad\u034f\u061c\u180e\u200b\u200c\u200e\u200f\u2060\u2064"
    "\u202a\u202e\u2066\u2069\u206f\ufeff"
)


@pytest.mark.parametrize("mark", INVISIBLE)
def test_invisible_marks_are_taken_out(mark: str) -> None:
    assert clean(f"{mark}ad{mark}min{mark}") == "admin"


def test_emoji_keep_the_joiner_that_makes_them() -> None:
    assert clean("👩\u200d👩\u200d👧") == "👩\u200d👩\u200d👧"


@given(st.text())
def test_clean_text_is_normal_storable_and_stays_as_it_is(text: str) -> None:
    try:
        cleaned = clean(text)
    except ValueError:
        return
    assert unicodedata.is_normalized("NFC", cleaned)
    assert "\x00" not in cleaned
    cleaned.encode()


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf"])))
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean(clean(text)) == clean(text)


def test_every_string_is_cleaned_and_the_rest_stays() -> None:
    dirty = {"e\u0301": ["\ufeffx", 1, 1.5, None, True, {"k": "e\u0301"}]}
    assert clean_deep(dirty) == {"\u00e9": ["x", 1, 1.5, None, True, {"k": "\u00e9"}]}


@pytest.mark.parametrize("value", [{"\x00": 1}, ["\x00"], {"a": {"b": ["\ud800"]}}])
def test_a_bad_string_is_refused_wherever_it_is(value: object) -> None:
    with pytest.raises(ValueError, match="control characters"):
        clean_deep(value)


def test_nesting_has_an_end() -> None:
    assert clean_deep(nested(MAX_DEPTH)) == nested(MAX_DEPTH)
    with pytest.raises(ValueError, match="levels deep"):
        clean_deep(nested(MAX_DEPTH + 1))
    with pytest.raises(ValueError, match="levels deep"):
        clean_deep({"a": nested(MAX_DEPTH)})
