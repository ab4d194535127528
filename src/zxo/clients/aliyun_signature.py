"""How Aliyun's API gateway knows who asks: signature version 3, ACS3-HMAC-SHA256.

https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

ALGORITHM = "ACS3-HMAC-SHA256"
_EMPTY = hashlib.sha256(b"").hexdigest()


class Signed(NamedTuple):
    """A POST to `/?query` without a body."""

    query: str
    headers: dict[str, str]


class Signer:
    """Signs calls of one API version with one access key."""

    def __init__(self, key_id: str, key_secret: str, version: str) -> None:
        self._key_id = key_id
        self._secret = key_secret.encode()
        self._version = version

    def sign(
        self, host: str, action: str, query: Mapping[str, str], now: datetime, nonce: str = ""
    ) -> Signed:
        """Good for 15 minutes and, by its nonce, for one request. `host`: as the request has it."""
        text = canonical_query(query)
        headers = {
            "host": host,
            "x-acs-action": action,
            "x-acs-content-sha256": _EMPTY,
            "x-acs-date": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "x-acs-signature-nonce": nonce or secrets.token_hex(16),
            "x-acs-version": self._version,
        }
        names = ";".join(sorted(headers))
        signature = self._signature(text, headers, names)
        credential = f"Credential={self._key_id},SignedHeaders={names},Signature={signature}"
        return Signed(text, {**headers, "Authorization": f"{ALGORITHM} {credential}"})

    def _signature(self, query: str, headers: Mapping[str, str], names: str) -> str:
        lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
        request = "\n".join(["POST", "/", query, lines, names, _EMPTY])
        digest = hashlib.sha256(request.encode()).hexdigest()
        return hmac.new(self._secret, f"{ALGORITHM}\n{digest}".encode(), "sha256").hexdigest()


def canonical_query(query: Mapping[str, str]) -> str:
    """Sorted, and encoded as RFC 3986 has it: a space is %20, a tilde stays."""
    return "&".join(f"{_quoted(name)}={_quoted(query[name])}" for name in sorted(query))


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")
