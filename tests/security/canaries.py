"""Secrets that can be told from anything else, and a search for them in every shape."""

import hashlib
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from urllib.parse import quote

DIGESTS = ("md5", "sha1", "sha256", "sha512")


def shapes(secret: str) -> Iterator[tuple[str, bytes]]:
    """What `secret` may look like where it has leaked, each with a name.

    A digest without a key is a leak where there are only so many secrets: all phone numbers are
    hashed within minutes.
    """
    raw = secret.encode()
    if len(raw) < 8:  # so few digits turn up by chance, in times and ids
        yield "in quotes", b"'" + raw + b"'"
        yield "in double quotes", b'"' + raw + b'"'
    else:
        yield "as it is", raw
        yield "in JSON", json.dumps(secret)[1:-1].encode()
        yield "in a URL", quote(secret, safe="").encode()
    yield "in hex", raw.hex().encode()
    for encode in (b64encode, urlsafe_b64encode):
        yield from _inside_base64(raw, encode.__name__)
    for name in DIGESTS:
        digest = hashlib.new(name, raw).digest()
        yield f"{name} in hex", digest.hex().encode()
        yield f"{name} in base64", b64encode(digest).rstrip(b"=")
        yield f"{name} in base64url", urlsafe_b64encode(digest).rstrip(b"=")


def _inside_base64(raw: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    """Its letters within longer base64, for each of the three places where it may begin."""
    encode = b64encode if name == "b64encode" else urlsafe_b64encode
    for before in range(3):
        text = encode(bytes(before) + raw)
        certain = (before + len(raw)) * 8 // 6  # letters that what comes after does not change
        yield f"inside {name}", text[(0, 2, 3)[before] : certain]


def found(secret: str, place: bytes) -> list[str]:
    """In which shapes `place` holds the secret; letters of either case."""
    lower = place.lower()
    return [name for name, shape in shapes(secret) if shape.lower() in lower]
