"""Web Push: a notice to a browser, through the service of the browser's vendor.

RFC 8030 (the request), RFC 8291 (the encryption), RFC 8292 (who we are: VAPID).

The address to post to comes from the browser, and so from anybody: only hosts of a list are taken,
by the same reading of the URL that the request is made with; no redirect is followed, and no proxy
of the environment is asked.
"""

import asyncio
import logging
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey
from structlog import get_logger

from zxo.clients.outcomes import Outcome
from zxo.clients.web_push_crypto import encode, encrypt, private_key, public_bytes
from zxo.kit.clock import Clock

log = get_logger(__name__)
# The library logs every URL, and an endpoint is a secret.
logging.getLogger("httpx").setLevel(logging.WARNING)

TIMEOUT_SECONDS = 5.0
CONNECT_SECONDS = 3.0
WHOLE_TRY_SECONDS = 10.0
PAUSES = (0.0, 0.5, 2.0)  # seconds before each try
LONGEST_WAIT = 5.0  # a service that wants us to wait longer is given up
# At most a day (RFC 8292); a token is used again until half of it is over.
PROOF_LASTS = timedelta(hours=12)
MOST_PROOFS = 1000
PLAIN_NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")


class Subscription(NamedTuple):
    """A browser: where it listens, its public key and its secret."""

    endpoint: str
    p256dh: bytes
    auth: bytes


class WebPush:
    """A client with one VAPID key. `hosts`: names, `*.names`, and in tests `http://127.0.0.1:PORT`.

    Raises ValueError on a key that cannot be read.
    """

    def __init__(
        self, key: str, subject: str, hosts: Sequence[str], *, timeout: float = TIMEOUT_SECONDS
    ) -> None:
        private = private_key(key)
        self.public_key = encode(public_bytes(private))
        self._signing_key = ECKey.import_key(private)
        self._subject = subject
        self._hosts = tuple(hosts)
        # Not the application's clock, which a test or a developer may have set: the service
        # compares with its own.
        self._clock = Clock()
        self._proofs: dict[str, tuple[str, float]] = {}
        patience = httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))
        self._http = httpx.AsyncClient(timeout=patience, trust_env=False, follow_redirects=False)

    async def close(self) -> None:
        await self._http.aclose()

    def host(self, endpoint: str) -> str | None:
        """The push service behind the address; None where it is none that we post to."""
        try:
            url = httpx.URL(endpoint)
        except httpx.InvalidURL:
            return None
        if url.userinfo or url.fragment or not PLAIN_NAME.fullmatch(url.host):
            return None
        return url.host if any(_fits(url, host) for host in self._hosts) else None

    async def send(
        self, to: Subscription, message: bytes, *, ttl: timedelta, topic: str | None = None
    ) -> Outcome:
        """Send at most LONGEST_MESSAGE bytes, or log why not.

        `topic`: a newer message of it takes the place of one that waits. Tried again while the
        service is busy or takes no connection, never after an answer was lost.
        """
        host = self.host(to.endpoint)
        if host is None:
            log.warning("web_push_host_not_allowed")
            return Outcome.NOT_SENT
        body = encrypt(message, to.p256dh, to.auth)
        headers = self._headers(httpx.URL(to.endpoint), ttl, topic)
        wanted = 0.0
        for pause in PAUSES:
            await asyncio.sleep(max(pause, wanted))
            answer = await self._post(to.endpoint, body, headers, host)
            if isinstance(answer, Outcome):
                return answer
            wanted = answer
            if wanted > LONGEST_WAIT:
                break
        log.warning("web_push_given_up", host=host)
        return Outcome.NOT_SENT

    async def _post(
        self, endpoint: str, body: bytes, headers: dict[str, str], host: str
    ) -> Outcome | float:
        """How it ended, or for how many seconds the service wants to be left alone."""
        try:
            async with asyncio.timeout(WHOLE_TRY_SECONDS):
                response = await self._http.post(endpoint, content=body, headers=headers)
        except httpx.ConnectError:
            return 0.0
        except (httpx.ConnectTimeout, httpx.PoolTimeout):
            return LONGEST_WAIT + 1
        except (httpx.HTTPError, TimeoutError) as error:
            # Not the error's text: it may hold the address, with which anybody can write to the
            # browser.
            log.warning("web_push_uncertain", host=host, reason=type(error).__name__)
            return Outcome.UNCERTAIN
        return _outcome(response, host)

    def _headers(self, url: httpx.URL, ttl: timedelta, topic: str | None) -> dict[str, str]:
        origin = f"{url.scheme}://{url.netloc.decode()}"
        headers = {
            "Authorization": f"vapid t={self._proof(origin)}, k={self.public_key}",
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(int(ttl.total_seconds())),
            "Urgency": "normal",
        }
        return headers if topic is None else {**headers, "Topic": topic}

    def _proof(self, origin: str) -> str:
        """A signed statement for one service that the message is ours."""
        now = self._clock.now().timestamp()
        token, use_until = self._proofs.get(origin, ("", 0.0))
        if now < use_until:
            return token
        if len(self._proofs) >= MOST_PROOFS:
            self._proofs.clear()
        lasts = PROOF_LASTS.total_seconds()
        claims = {"aud": origin, "exp": int(now + lasts), "sub": self._subject}
        token = jwt.encode({"typ": "JWT", "alg": "ES256"}, claims, self._signing_key)
        self._proofs[origin] = token, now + lasts / 2
        return token


def _fits(url: httpx.URL, host: str) -> bool:
    if "://" in host:
        return f"{url.scheme}://{url.netloc.decode()}" == host
    if url.scheme != "https" or url.port is not None:
        return False
    return url.host.endswith(host[1:]) if host.startswith("*.") else url.host == host


def _outcome(response: httpx.Response, host: str) -> Outcome | float:
    match response.status_code:
        case 200 | 201 | 202:
            return Outcome.SENT
        case 404 | 410:
            return Outcome.GONE
        case 429 | 500 | 502 | 503 | 504:
            return _wait(response.headers.get("Retry-After", "0"))
        case status:
            # 401 and 403: the browser subscribed with another key of ours. 413: too large.
            log.error("web_push_refused", host=host, status=status)
            return Outcome.NOT_SENT


def _wait(retry_after: str) -> float:
    """Seconds; a date is as good as too long."""
    return float(retry_after[:6]) if retry_after.isascii() and retry_after.isdigit() else 60.0
