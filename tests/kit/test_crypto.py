"""What is sealed opens for its own row alone; what is looked up says nothing without the key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zxo.kit.crypto import BlindIndex, Unreadable, Vault

OLD, NEW = "the-old-secret", "the-new-secret"
ROW, OTHER_ROW = "users.phone:7", "users.phone:8"
PHONE = "+8613800138000"


@given(st.text(), st.text())
def test_what_was_sealed_opens_again(text: str, row: str) -> None:
    vault = Vault([NEW])
    assert vault.open(vault.seal(text, row), row) == text


def test_the_same_text_is_sealed_differently_each_time_and_nothing_of_it_shows() -> None:
    vault = Vault([NEW])
    first, second = vault.seal(PHONE, ROW), vault.seal(PHONE, ROW)
    assert first != second
    assert first.startswith(f"v1.{vault.kid}.")
    assert PHONE not in first


def test_a_sealed_text_that_was_moved_to_another_row_does_not_open() -> None:
    vault = Vault([NEW])
    with pytest.raises(Unreadable):
        vault.open(vault.seal(PHONE, ROW), OTHER_ROW)


@given(st.data())
def test_a_sealed_text_that_was_changed_does_not_open(data: st.DataObject) -> None:
    vault = Vault([NEW])
    sealed = vault.seal(PHONE, ROW)
    place = data.draw(st.integers(0, len(sealed) - 1))
    letter = data.draw(st.characters(max_codepoint=127).filter(lambda c: c != sealed[place]))
    with pytest.raises(Unreadable):
        vault.open(sealed[:place] + letter + sealed[place + 1 :], ROW)


@pytest.mark.parametrize("nonsense", ["", "v1", "v1..", "v1.00000000.AAAA", "ü.ü.ü", "v1." * 9])
def test_nonsense_does_not_open(nonsense: str) -> None:
    with pytest.raises(Unreadable):
        Vault([NEW]).open(nonsense, ROW)


def test_what_an_older_secret_sealed_opens_until_that_secret_is_gone() -> None:
    sealed = Vault([OLD]).seal(PHONE, ROW)
    both = Vault([NEW, OLD])
    assert both.open(sealed, ROW) == PHONE
    assert not both.is_current(sealed)
    assert both.is_current(both.seal(PHONE, ROW))
    with pytest.raises(Unreadable):
        Vault([NEW]).open(sealed, ROW)


def test_an_index_is_the_same_for_the_same_text_purpose_and_key_only() -> None:
    index = BlindIndex(NEW)
    found = index.of("phone", PHONE)
    assert found == BlindIndex(NEW).of("phone", PHONE)
    assert len(found) == 32
    others = [
        index.of("phone", PHONE + "1"),
        index.of("redeem-codes", PHONE),
        BlindIndex(OLD).of("phone", PHONE),
    ]
    assert found not in others
