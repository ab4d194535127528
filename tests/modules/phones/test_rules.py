"""Numbers, masks and codes, without a server."""

import re
from collections import Counter

import phonenumbers
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType

from zxo.modules.phones.rules import HOME, Number, new_code, parse_number
from zxo.modules.users import mask_phone

# The beginnings of the three carriers' numbers, and eight digits of the subscriber.
MAINLAND = st.builds(
    lambda prefix, rest: f"{prefix}{rest:08}",
    st.sampled_from(["134", "135", "138", "139", "150", "158", "176", "187", "199"]),
    st.integers(0, 10**8 - 1),
)
EXAMPLES = [
    number
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    if (number := phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE))
]
FULL_WIDTH = str.maketrans("0123456789+-() .", "０１２３４５６７８９＋－（）　．")


def e164(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@st.composite
def written(draw: st.DrawFn, national: str) -> str:
    """The same number as people write it."""
    text = draw(st.sampled_from(["", "+86", "+86 ", "0086", "86"])) + national
    cut = draw(st.integers(len(text) - 8, len(text) - 1))
    text = text[:cut] + draw(st.sampled_from(["", " ", "-", "."])) + text[cut:]
    text = draw(st.sampled_from(["", " "])) + text + draw(st.sampled_from(["", "  "]))
    return text.translate(FULL_WIDTH) if draw(st.booleans()) else text


@given(st.data(), MAINLAND)
def test_one_number_has_one_form_however_it_is_written(data: st.DataObject, number: str) -> None:
    assert parse_number(data.draw(written(number))) == Number(f"+86{number}", "CN")


@given(st.sampled_from(EXAMPLES))
def test_a_number_of_any_country_is_known_with_its_country_code_and_stays_as_it_is(
    number: phonenumbers.PhoneNumber,
) -> None:
    once = parse_number(e164(number))

    assert once is not None
    assert once.e164 == e164(number)
    assert parse_number(once.e164) == once


@given(st.text(max_size=40))
def test_any_text_is_a_number_in_e164_or_none(text: str) -> None:
    found = parse_number(text)

    if found is not None:
        assert re.fullmatch(r"\+[1-9][0-9]{6,14}", found.e164)
        assert phonenumbers.is_valid_number(phonenumbers.parse(found.e164))


@given(st.from_regex(r"\+?[0-9 ().-]{1,32}", fullmatch=True))
def test_any_row_of_digits_is_a_mobile_number_or_none(text: str) -> None:
    found = parse_number(text)

    if found is not None:
        digits = re.sub("[^0-9]", "", text)
        national = str(phonenumbers.parse(found.e164).national_number)
        assert national in digits


@given(MAINLAND)
def test_a_mask_keeps_three_and_four_digits_of_eleven(number: str) -> None:
    assert mask_phone(f"+86{number}") == f"{number[:3]}****{number[-4:]}"


@given(st.sampled_from(EXAMPLES))
def test_a_mask_hides_at_least_three_digits_of_any_number(number: phonenumbers.PhoneNumber) -> None:
    whole = e164(number)
    seen = sum(letter.isdigit() for letter in mask_phone(whole))

    assert len(whole) - 1 - seen >= 3
    assert "****" in mask_phone(whole)


def test_codes_are_six_digits_and_spread_evenly() -> None:
    codes = [new_code() for _ in range(20_000)]

    assert all(re.fullmatch("[0-9]{6}", code) for code in codes)
    firsts = Counter(code[0] for code in codes)
    assert len(firsts) == 10  # a leading zero is no exception
    assert all(1600 < count < 2400 for count in firsts.values())
    assert len(set(codes)) > 19_000


def test_home_is_china() -> None:
    assert parse_number("13800138000") == Number("+8613800138000", HOME)
