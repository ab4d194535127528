"""Chinese text in one spelling for comparing: simplified characters, letters and digits alone.

Words that differ between regions (電腦, 計算機) stay what they are.
"""

import unicodedata

from opencc import OpenCC

_TO_SIMPLIFIED = OpenCC("t2s")
# Some have two forms in simplified text as well: 活著 and 著名. For comparing they are one.
_ALIKE = str.maketrans("著乾妳於苧", "着干你于苎")


def simplified(text: str) -> str:
    """`text` with traditional characters replaced by their simplified forms."""
    converted: str = _TO_SIMPLIFIED.convert(text)
    return converted


def plain(text: str) -> str:
    """`text` for comparing: width and case folded, simplified, letters and digits alone."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return simplified("".join(filter(str.isalnum, folded))).translate(_ALIKE)
