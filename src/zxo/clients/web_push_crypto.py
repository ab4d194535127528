"""The cryptography of Web Push: keys, and messages that only one browser can read (RFC 8291).

Our own few lines on `cryptography`, checked against the example of RFC 8291: of the libraries,
`http-ece` comes without a wheel, `pywebpush` brings aiohttp and requests, and `webpush` PyJWT,
email-validator and a DNS resolver to do no more than this.
"""

import binascii
import os
from base64 import urlsafe_b64encode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

CURVE = ec.SECP256R1()
PUBLIC_BYTES, PRIVATE_BYTES, AUTH_BYTES, SALT_BYTES = 65, 32, 16, 16
RECORD_SIZE = 4096
LONGEST_MESSAGE = 3000  # bytes; every service takes 4096 of the encrypted whole


def encode(data: bytes) -> str:
    """Base64url without padding, as keys are written in browsers."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Base64url with or without padding. Raises ValueError."""
    try:
        bare = text.rstrip("=").encode("ascii").translate(bytes.maketrans(b"-_", b"+/"))
        return binascii.a2b_base64(bare + b"=" * (-len(bare) % 4), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not base64url") from error


def make_key() -> str:
    """A new private key, in the short form of the settings."""
    number = ec.generate_private_key(CURVE).private_numbers().private_value
    return encode(number.to_bytes(PRIVATE_BYTES))


def private_key(text: str) -> ec.EllipticCurvePrivateKey:
    """From PEM, or 32 bytes in base64url. Raises ValueError."""
    if text.startswith("-----BEGIN"):
        try:
            key = serialization.load_pem_private_key(text.encode(), None)
        except TypeError:
            raise ValueError("the key of Web Push must not be encrypted") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != CURVE.name:
            raise ValueError("the key of Web Push must be of the curve P-256")
        return key
    raw = decode(text.strip())
    if len(raw) != PRIVATE_BYTES:
        raise ValueError("the key of Web Push must have 32 bytes, or be PEM")
    return ec.derive_private_key(int.from_bytes(raw), CURVE)


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The uncompressed point."""
    form = serialization.PublicFormat.UncompressedPoint
    return key.public_key().public_bytes(serialization.Encoding.X962, form)


def is_public_key(data: bytes) -> bool:
    """Whether these are the 65 bytes of a point on the curve."""
    if len(data) != PUBLIC_BYTES:
        return False
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(CURVE, data)
    except ValueError:
        return False
    return True


def encrypt(
    message: bytes,
    p256dh: bytes,
    auth: bytes,
    *,
    sender: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
) -> bytes:
    """`message` for the browser with this public key and secret: one record of aes128gcm.

    `sender` and `salt` are made anew for every message; only the RFC's example gives them.
    Raises ValueError on a message that is too long.
    """
    if len(message) > LONGEST_MESSAGE:
        raise ValueError(f"longer than {LONGEST_MESSAGE} bytes")
    sender, salt = sender or ec.generate_private_key(CURVE), salt or os.urandom(SALT_BYTES)
    browser = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, p256dh)
    ours = public_bytes(sender)
    shared = sender.exchange(ec.ECDH(), browser)
    secret = _derive(shared, auth, b"WebPush: info\0" + p256dh + ours, 32)
    key = _derive(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive(secret, salt, b"Content-Encoding: nonce\0", 12)
    header = salt + RECORD_SIZE.to_bytes(4) + bytes([len(ours)]) + ours
    return header + AESGCM(key).encrypt(nonce, message + b"\x02", None)  # 2: the last record


def _derive(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)
