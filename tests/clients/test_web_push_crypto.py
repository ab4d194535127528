"""Keys and encrypted messages, against the example of RFC 8291 and against a reader of our own."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.push_service import Browser, b64, unb64
from zxo.clients.web_push_crypto import (
    LONGEST_MESSAGE,
    decode,
    encode,
    encrypt,
    is_public_key,
    make_key,
    private_key,
    public_bytes,
)

# RFC 8291, appendix A.
RFC_TEXT = b"When I grow up, I want to be a watermelon"
RFC_BROWSER = Browser(
    "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV",
    private="q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94",
    auth="BTBZMqHH6r4Tts7J_aSIgg",
)
RFC_PUBLIC = (
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
)
RFC_SENDER = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
RFC_SALT = "DGv6ra1nlYgDCS1FRnbzlw"
RFC_BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6"
    "TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulc"
    "y4a-fN"
)


def test_the_example_of_the_rfc_comes_out_byte_for_byte() -> None:
    sender, salt = private_key(RFC_SENDER), decode(RFC_SALT)
    browser = RFC_BROWSER
    assert encode(browser.public) == RFC_PUBLIC
    body = encrypt(RFC_TEXT, browser.public, browser.auth, sender=sender, salt=salt)
    assert encode(body) == RFC_BODY


def test_the_reader_of_the_tests_reads_the_example_of_the_rfc() -> None:
    assert RFC_BROWSER.read(unb64(RFC_BODY)) == RFC_TEXT


@given(st.binary(max_size=LONGEST_MESSAGE))
def test_any_message_reaches_its_browser_and_fits_what_services_take(message: bytes) -> None:
    browser = Browser("https://push.example.net/1")
    body = encrypt(message, browser.public, browser.auth)
    assert browser.read(body) == message
    assert len(body) <= 4096


def test_the_same_message_never_looks_the_same() -> None:
    browser = Browser("https://push.example.net/1")
    bodies = {encrypt(b"hello", browser.public, browser.auth) for _ in range(5)}
    assert len({body[:16] for body in bodies}) == len({body[21:86] for body in bodies}) == 5


def test_a_message_that_is_too_long_is_refused() -> None:
    browser = Browser("https://push.example.net/1")
    with pytest.raises(ValueError, match="3000"):
        encrypt(b"x" * 3001, browser.public, browser.auth)


def test_both_forms_of_a_key_are_the_same_key() -> None:
    short = make_key()
    key = private_key(short)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    assert len(short) == 43
    assert public_bytes(private_key(pem)) == public_bytes(key)
    assert private_key(f" {short}\n").private_numbers() == key.private_numbers()


def pem_of(key: ec.EllipticCurvePrivateKey, password: bytes = b"") -> str:
    sealed = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, sealed).decode()


@pytest.mark.parametrize(
    "text",
    [
        "not a key",
        "AAAA",
        b64(bytes(32)),  # zero is no private key
        b64(b"\xff" * 32),  # beyond the order of the curve
        b64(bytes(33)),
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        pem_of(ec.generate_private_key(ec.SECP384R1())),
        pem_of(ec.generate_private_key(ec.SECP256R1()), b"a password"),
    ],
)
def test_what_is_no_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - every text of it is fine
        private_key(text)
    assert text not in str(caught.value)


def test_a_point_is_65_bytes_on_the_curve() -> None:
    point = RFC_BROWSER.public
    assert is_public_key(point)
    assert not is_public_key(point[:-1])
    assert not is_public_key(point + b"\x00")
    assert not is_public_key(point[:-1] + bytes([point[-1] ^ 1]))
    assert not is_public_key(b"\x04" + bytes(64))
    assert not is_public_key(b"\x02" + point[1:])
    assert not is_public_key(b"")


@given(st.binary(max_size=100))
def test_base64url_comes_back_with_and_without_padding(data: bytes) -> None:
    assert decode(encode(data)) == data
    assert decode(encode(data) + "=" * (-len(encode(data)) % 4)) == data


@pytest.mark.parametrize("text", ["A", "AA=A", "AA A", "AAAA\n", "密钥", "AAAAA"])
def test_what_is_no_base64url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        decode(text)
