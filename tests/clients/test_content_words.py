"""A list of words finds what it should, and leaves ordinary talk alone."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zxo.clients.content_words import PACKAGED, WordList, read_words

LIST = WordList(read_words(PACKAGED))

ORDINARY = [
    "戒烟勇士",
    "想抽烟，想了一下午",
    "老板递烟，我说我戒了",
    "免税店看到香烟，没买",
    "以前一天一包香烟，现在没有了",
    "尼古丁贴贴了三天，有点痒",
    "伐尼克兰吃了第二周",
    "朋友在抽电子烟，闻到就烦",
    "和同事打麻将，一桌都在抽",
    "喝酒了，特别想来一根",
    "孩子他妈怀孕了",
    "大麻烦了，又想抽了",
    "开会到九点，压力大，冰啤酒也没喝",
    "发票还没报销，烦",
    "办证的地方排队，别人都在抽烟",
    "银行卡丢了，心情不好",
    "约好了去跑步",
    "K歌的时候最难忍",
    "笑死，气得想抽",
    "🚭 第 100 天！",
    "don't smoke, class is over",
    "去支援，交接班的时候想抽",
    "救援交给专业的人",
    "大约炮仗响到半夜",
    "去税务局代开发票，排队想抽",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_talk_passes(text: str) -> None:
    assert not LIST.finds(text)


@pytest.mark.parametrize(
    "text",
    [
        "代购香烟",
        "代 购 香 烟",
        "代·购-香*烟，加我",
        "【代購】代购香烟",
        "代購香煙",
        "代\u0336购\u0336香\u0336烟",
        "代\u200d购香\u3000烟",
        "出售k粉",
        "出售Ｋ粉",
        "长期出售 发.票",
        "朋友，网上·赌场 了解一下",
    ],
)
def test_a_word_is_found_however_it_is_spaced_out(text: str) -> None:
    assert LIST.finds(text)


def test_a_word_of_ascii_letters_is_found_as_a_whole_word_only() -> None:
    words = WordList(["Viagra", "赌场"])
    assert words.finds("buy ＶＩＡＧＲＡ now")
    assert not words.finds("via gravel")
    assert not words.finds("viagras")


def test_a_list_may_be_empty() -> None:
    assert not WordList([]).finds("")
    assert not WordList(["", " ", "。"]).finds("anything 。")


@given(st.text(max_size=40))
def test_any_text_can_be_looked_at(text: str) -> None:
    assert LIST.finds(f"{text}代购香烟{text}")
    LIST.finds(text)


def test_comments_and_empty_lines_are_no_words(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("# 注释\n\n  赌场  \n#赌\n", "utf-8")
    assert read_words(file) == ["赌场"]
    assert read_words(PACKAGED, file)[-1] == "赌场"


def test_a_byte_order_mark_turns_no_comment_into_a_word(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("# 词表\n赌场\n", "utf-8-sig")
    assert read_words(file) == ["赌场"]


def test_the_packaged_list_is_in_one_form_without_doubles() -> None:
    words = read_words(PACKAGED)
    assert len(words) == len(set(words)) > 40
    assert all(word == word.strip() and len(word) >= 2 for word in words)
