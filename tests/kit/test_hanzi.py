"""Text is compared in one spelling, whatever keyboard it was typed on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zxo.kit.hanzi import plain, simplified


@pytest.mark.parametrize(
    ("typed", "compared"),
    [
        ("煙癮犯了，怎麼辦？", "烟瘾犯了怎么办"),
        ("ＩＱＯＳ　有害嗎", "iqos有害吗"),
        ("活著沒意思", "活着没意思"),
        ("想\u200b抽 烟…", "想抽烟"),
        ("🚬!?", ""),
    ],
)
def test_width_case_signs_and_traditional_characters_are_evened_out(
    typed: str, compared: str
) -> None:
    assert plain(typed) == compared


def test_only_traditional_characters_change_in_text_that_people_read() -> None:
    assert simplified("著名的煙，ABC！") == "著名的烟，ABC！"


@given(st.text(max_size=200))
def test_evening_out_twice_is_evening_out_once(text: str) -> None:
    assert plain(plain(text)) == plain(text)
    assert len(simplified(text)) == len(text)
