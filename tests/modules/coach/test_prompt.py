"""What a model is told."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zxo.modules.coach.models import Exchange, Person
from zxo.modules.coach.prompt import count_tokens, fitted, system_message

NOBODY = Person(total_days=0, consecutive_days=0, tier="倔强青铜", stars=0)
SOMEBODY = Person(
    total_days=40,
    consecutive_days=12,
    tier="荣耀黄金",
    stars=10,
    quit_days=41,
    smoking_years="5-10年",
    daily_amount=15,
    cravings=9,
    peak_hours=(10, 14, 20),
    triggers=(("stress", 5), ("social", 2)),
    hour=20,
)


def said(index: int, length: int = 10) -> Exchange:
    text = "戒" * length
    return Exchange(index, text, text, "model", True, datetime(2025, 12, 1, tzinfo=UTC), 5)


def test_the_system_message_names_the_duties_the_cautions_and_the_persons_facts() -> None:
    message = system_message(SOMEBODY)
    for words in ("科学依据", "打气", "回答", "规律", "不说教", "不做诊断", "情绪"):
        assert words in message
    for fact in ("40 天", "连续 12 天", "荣耀黄金 10 星", "41 天", "5-10年", "15 支", "9 次"):
        assert fact in message
    assert "烟瘾多在 10、14、20 点" in message
    assert "诱因：压力 5 次、社交 2 次" in message


def test_the_system_message_tells_whom_to_call_and_what_not_to_promise() -> None:
    message = system_message(NOBODY)
    for words in ("“您”", "12356", "120", "400-888-5531", "400-808-5531", "12320"):
        assert words in message
    for words in ("不说用法用量", "电子烟并非无害", "因人而异"):
        assert words in message


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    message = system_message(NOBODY)
    assert "没有填写最后一支烟的时间" in message
    assert "最近 7 天没有烟瘾记录" in message
    assert "None" not in message


def test_the_newest_exchanges_go_along_in_the_order_of_time() -> None:
    messages, _ = fitted(SOMEBODY, [said(3), said(2), said(1)], "问题", 100_000)
    assert [message.role for message in messages] == ["system", *["user", "assistant"] * 3, "user"]
    assert messages[-1].content == "问题"


# The first count loads the tokenizer's tables.
@settings(deadline=None)
@given(st.lists(st.integers(1, 300), max_size=8), st.integers(500, 3_000))
def test_as_many_exchanges_go_along_as_fit_without_a_gap(lengths: list[int], budget: int) -> None:
    history = [said(len(lengths) - i, length) for i, length in enumerate(lengths)]
    messages, total = fitted(NOBODY, history, "怎么办", budget)
    kept = (len(messages) - 2) // 2
    assert [m.content for m in messages[1:-1:2]] == [h.question for h in reversed(history[:kept])]
    least = fitted(NOBODY, [], "怎么办", budget)[1]
    assert total <= max(budget, least)
    if kept < len(history):  # the next one would not have fitted
        more = sum(
            count_tokens(text) + 4 for text in (history[kept].question, history[kept].answer)
        )
        assert total + more > budget


@pytest.mark.parametrize("text", ["", "戒烟", "a" * 2_000, "😀" * 50, "<|endoftext|>"])
def test_tokens_are_counted_without_a_network_and_never_more_than_bytes(text: str) -> None:
    assert 0 <= count_tokens(text) <= len(text.encode())
