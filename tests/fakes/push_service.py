"""A push service on loopback, and browsers that listen to it: RFC 8030, 8291 and 8292.

Reads the messages with code of its own (HKDF from hmac, the token by PyJWT), so that a mistake of
the sender is not made here again.
"""

import hashlib
import hmac
import json
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.fakes.loopback import Loopback

DAY = 86_400
MOST_BYTES = 4096
UNCOMPRESSED = (Encoding.X962, PublicFormat.UncompressedPoint)


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 for outputs of one block."""
    key = hmac.digest(salt, secret, hashlib.sha256)
    return hmac.digest(key, info + b"\x01", hashlib.sha256)[:length]


class Browser:
    """Somebody's browser, with the keys that it never shows."""

    def __init__(self, endpoint: str, *, private: str = "", auth: str = "") -> None:
        number = int.from_bytes(unb64(private)) if private else None
        self._private = (
            ec.derive_private_key(number, ec.SECP256R1())
            if number
            else ec.generate_private_key(ec.SECP256R1())
        )
        self.endpoint = endpoint
        self.public = self._private.public_key().public_bytes(*UNCOMPRESSED)
        self.auth = unb64(auth) if auth else hashlib.sha256(self.public).digest()[:16]
        self.status: int | None = None  # answer with this instead
        self.server_key: str | None = None  # the only key that it subscribed to; any if None

    def subscription(self) -> dict[str, Any]:
        """What PushSubscription.toJSON() gives."""
        keys = {"p256dh": b64(self.public), "auth": b64(self.auth)}
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": keys}

    def read(self, body: bytes) -> bytes:
        """What the message says. Raises on one that is not for this browser."""
        salt, size, length = body[:16], int.from_bytes(body[16:20]), body[20]
        sender, record = body[21 : 21 + length], body[21 + length :]
        assert size > len(record) or size == len(record), "more than one record"
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        shared = self._private.exchange(ec.ECDH(), point)
        secret = hkdf(self.auth, shared, b"WebPush: info\x00" + self.public + sender, 32)
        key = hkdf(salt, secret, b"Content-Encoding: aes128gcm\x00", 16)
        nonce = hkdf(salt, secret, b"Content-Encoding: nonce\x00", 12)
        padded = AESGCM(key).decrypt(nonce, record, b"").rstrip(b"\x00")
        assert padded.endswith(b"\x02"), "not the last record"
        return padded[:-1]


class Pushed(NamedTuple):
    """A message that reached a browser."""

    browser: Browser
    said: dict[str, Any]
    headers: dict[str, str]


class FakePushService(Loopback):
    """Answers as the vendors' services do; `failures` come first, one a request."""

    def __init__(self) -> None:
        self.failures: list[int] = []
        self.headers: dict[str, str] = {}  # of the answers
        self.delay = 0.0
        self.cut = False  # take the message, and hang up without an answer
        self.tries: list[str] = []  # paths
        self.pushed: list[Pushed] = []
        self._browsers: dict[str, Browser] = {}
        super().__init__(self._handler())

    def browser(self) -> Browser:
        path = f"/wpush/v2/secret-{len(self._browsers) + 1}"
        return self._browsers.setdefault(path, Browser(self.url + path))

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> int:
        self.tries.append(path)
        if self.failures:
            return self.failures.pop(0)
        browser = self._browsers.get(path)
        if browser is None:
            return 404
        if browser.status is not None:
            return browser.status
        if len(body) > MOST_BYTES:
            return 413
        if wrong := self._wrong_request(browser, headers):
            return wrong
        self.pushed.append(Pushed(browser, json.loads(browser.read(body)), headers))
        return 201

    def _wrong_request(self, browser: Browser, headers: dict[str, str]) -> int:
        if headers.get("content-encoding") != "aes128gcm" or not headers["ttl"].isdigit():
            return 400
        if headers["urgency"] not in {"very-low", "low", "normal", "high"}:
            return 400
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", headers.get("topic", "none")):
            return 400
        given = re.fullmatch(r"vapid t=([^,\s]+), ?k=([\w-]+)", headers.get("authorization", ""))
        if given is None or not self._is_proof(*given.groups()):
            return 401
        return 403 if browser.server_key not in {None, given[2]} else 0

    def _is_proof(self, token: str, key: str) -> bool:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unb64(key))
        try:
            claims = jwt.decode(token, public, ["ES256"], audience=self.url)
        except jwt.PyJWTError:
            return False
        return claims["exp"] <= time.time() + DAY and claims["sub"].startswith("mailto:")

    def _handler(fake: "FakePushService") -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                time.sleep(fake.delay)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = fake.answer(self.path, headers, body)
                if fake.cut:
                    self.close_connection = True
                    return
                with suppress(ConnectionError):  # the caller may have lost patience
                    self.send_response(status)
                    for name, value in fake.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        return Handler
