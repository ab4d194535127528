"""Text as people type it: one normal form in, and nothing that breaks a database or a screen."""

import re
import unicodedata

# C0 and C1 controls but tab, line feed and carriage return; lone surrogates; NUL.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# Zero-width marks, soft hyphens and marks of direction: invisible, and used to disguise text. The
# joiner U+200D stays, emoji are made with it; so do U+E0020..7F, the flags of England and Wales.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b\u200c\u200e\u200f\u2060-\u2064\ufeff\ufff9-\ufffb"
    "\u202a-\u202e\u2066-\u206f]"
)

# Bodies here are two or three levels deep; more is an attack on the stack.
MAX_DEPTH = 32


def clean(text: str) -> str:
    """`text` in NFC without invisible marks. Raises ValueError on control characters."""
    if _FORBIDDEN.search(text):
        raise ValueError("contains control characters or broken Unicode")
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", text))


def clean_deep(value: object, depth: int = MAX_DEPTH) -> object:
    """Every string of a JSON value cleaned, keys included; other values as they are.

    Raises ValueError on text that `clean` refuses, and on more than `depth` levels.
    """
    if isinstance(value, str):
        return clean(value)
    if not isinstance(value, list | dict):
        return value
    if depth == 0:
        raise ValueError(f"nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, list):
        return [clean_deep(item, depth - 1) for item in value]
    return {clean_deep(key): clean_deep(item, depth - 1) for key, item in value.items()}
