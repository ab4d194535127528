"""Aliyun's SMS service on loopback: checks the signature by itself, answers with its codes."""

import hashlib
import hmac
import json
import re
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from tests.fakes.loopback import Loopback

KEY_ID, KEY_SECRET = "test-key-id", "aliyun-test-secret"
SIGN_NAME, TEMPLATE = "戒烟勇士", "SMS_123456789"
SIGNED = {
    *("host", "x-acs-action", "x-acs-content-sha256"),
    *("x-acs-date", "x-acs-signature-nonce", "x-acs-version"),
}
Answer = tuple[int, dict[str, Any]]


class FakeAliyun(Loopback):
    """Answers SendSms. `sent` maps a number to the codes that reached it."""

    def __init__(self) -> None:
        self.sent: dict[str, list[str]] = {}
        self.failures: list[tuple[int, str, str]] = []  # status, Code, Message; one a request
        self.raw: bytes | None = None
        self.delay = 0.0
        self.cut = False  # send, and hang up without an answer
        self.requests = 0
        self._nonces: set[str] = set()
        super().__init__(self._handler())
        self._turn = threading.Lock()

    def last(self, number: str) -> str:
        """The newest code on this phone."""
        return self.sent[number][-1]

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        with self._turn:
            self.requests += 1
            if self.failures:
                status, code, message = self.failures.pop(0)
                return status, {"Code": code, "Message": message, "RequestId": "r"}
            if wrong := self._unsigned(method, target, headers, body):
                return 400 if "Time" in wrong else 403, {"Code": wrong, "Message": "refused"}
            return 200, {"RequestId": "r", **self._send(headers, target)}

    def _unsigned(self, method: str, target: str, headers: dict[str, str], body: bytes) -> str:
        """Why the signature is refused, by the gateway's own codes; empty where it is right."""
        found = re.fullmatch(
            r"ACS3-HMAC-SHA256 Credential=([^,]+),SignedHeaders=([^,]+),Signature=([0-9a-f]{64})",
            headers.get("authorization", ""),
        )
        if found is None or set(found[2].split(";")) != SIGNED:
            return "IncompleteSignature"
        if found[1] != KEY_ID:
            return "InvalidAccessKeyId.NotFound"
        if headers["x-acs-content-sha256"] != hashlib.sha256(body).hexdigest():
            return "SignatureDoesNotMatch"
        if not hmac.compare_digest(found[3], signature(method, target, headers, found[2])):
            return "SignatureDoesNotMatch"
        given = datetime.strptime(headers["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        if abs((datetime.now(UTC) - given).total_seconds()) > 900:
            return "InvalidTimeStamp.Expired"
        if headers["x-acs-signature-nonce"] in self._nonces:
            return "SignatureNonceUsed"
        self._nonces.add(headers["x-acs-signature-nonce"])
        return ""

    def _send(self, headers: dict[str, str], target: str) -> dict[str, Any]:
        if (headers["x-acs-action"], headers["x-acs-version"]) != ("SendSms", "2017-05-25"):
            return {"Code": "InvalidAction.NotFound", "Message": "no such action"}
        query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        number, parameters = query["PhoneNumbers"], json.loads(query["TemplateParam"])
        if query["SignName"] != SIGN_NAME:
            return {"Code": "isv.SMS_SIGNATURE_ILLEGAL", "Message": "该账号下找不到对应签名"}
        if query["TemplateCode"] != TEMPLATE:
            return {"Code": "isv.SMS_TEMPLATE_ILLEGAL", "Message": "该账号下找不到对应模板"}
        if not re.fullmatch(r"1[0-9]{10}|[2-9][0-9]{6,14}", number):
            return {
                "Code": "isv.MOBILE_NUMBER_ILLEGAL",
                "Message": f"{number}invalid mobile number",
            }
        if set(parameters) != {"code"} or not isinstance(parameters["code"], str):
            return {"Code": "isv.INVALID_JSON_PARAM", "Message": "JSON参数不合法"}
        self.sent.setdefault(number, []).append(parameters["code"])
        return {"Code": "OK", "Message": "OK", "BizId": "9006197469364984"}

    def _handler(fake: "FakeAliyun") -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                time.sleep(fake.delay)
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers.get("content-length", 0)))
                status, content = fake.answer("POST", self.path, headers, body)
                if fake.cut:
                    return
                raw = json.dumps(content).encode() if fake.raw is None else fake.raw
                self.send_response(status)
                self.send_header("Content-Type", "application/json;charset=utf-8")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                with suppress(ConnectionError):  # the caller may have lost patience
                    self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        return Handler


def signature(method: str, target: str, headers: dict[str, str], names: str) -> str:
    """What the gateway computes from what it received."""
    parts = urlsplit(target)
    pairs = sorted((k, v) for k, vs in parse_qs(parts.query, True).items() for v in vs)
    query = "&".join(f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in pairs)
    canonical = f"{method}\n{parts.path or '/'}\n{query}\n"
    for name in names.split(";"):
        canonical += f"{name}:{headers[name].strip()}\n"
    canonical += f"\n{names}\n{headers['x-acs-content-sha256']}"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    secret, text = KEY_SECRET.encode(), f"ACS3-HMAC-SHA256\n{hashed}".encode()
    return hmac.new(secret, text, hashlib.sha256).hexdigest()
