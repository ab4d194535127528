"""WeChat's server on loopback: speaks its protocol, with its error codes and its Content-Type."""

import json
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.loopback import Loopback

APP_ID, APP_SECRET = "wx-test", "wechat-test-secret"
SESSION_KEY = "tiihtNczf5v6AKRyjwEUhQ=="

ERRORS = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest",
    40003: "invalid openid",
    40013: "invalid appid",
    40029: "invalid code",
    40037: "invalid template_id",
    40125: "invalid appsecret",
    41030: "invalid page",
    43101: "user refuse to accept the msg",
    47001: "data format error",
    47003: "argument invalid! data.{field}.value invalid",
}


class FakeWechat(Loopback):
    """Answers code2session, stable_token, subscribe/send and getuserphonenumber.

    A code is good once; `codes` maps it to an openid. `consents` counts, by (openid, template),
    the messages that people agreed to; `templates` are the fields that each of them has.
    """

    def __init__(self) -> None:
        self.codes: dict[str, str] = {}
        self.used: set[str] = set()
        self.failures: list[int] = []  # errcodes to answer with first, one a request
        self.raw: bytes | None = None  # answer with exactly this instead
        self.status = 200
        self.delay = 0.0
        self.cut = False  # do what was asked for, and hang up without an answer
        self.requests: list[dict[str, str]] = []
        super().__init__(self._handler())
        self._turn = threading.Lock()

        self.token = "access-1"
        self.expires_in = 7200
        self.token_failures: list[int] = []
        self.token_requests: list[dict[str, Any]] = []

        self.phones: dict[str, str] = {}  # code -> number of the mainland, without its country
        self.phone_info: dict[str, Any] = {}  # say this of it instead
        self.phone_failures: list[int] = []
        self.phone_requests: list[dict[str, Any]] = []

        self.templates: dict[str, set[str]] = {}
        self.consents: Counter[tuple[str, str]] = Counter()
        self.verdicts: dict[str, str] = {}  # what is thought of a text; of any other: pass
        self.checks: list[dict[str, Any]] = []
        self.check_failures: list[int] = []

        self.pages = {"pages/index/index"}
        self.send_failures: list[int] = []
        self.sends: list[dict[str, Any]] = []  # every try that came with a good token
        self.messages: list[dict[str, Any]] = []  # what reached people

    def issue(self, openid: str) -> str:
        """A fresh login code, as the mini program gets one for whoever holds the phone."""
        code = f"code-{len(self.codes) + 1}"
        self.codes[code] = openid
        return code

    def share_phone(self, number: str) -> str:
        """A fresh code, as the mini program gets one when the person shares the number."""
        code = f"phone-code-{len(self.phones) + 1}"
        self.phones[code] = number
        return code

    def agree(self, openid: str, template: str, times: int = 1) -> None:
        """The person says yes in the mini program."""
        self.consents[openid, template] += times

    def replace_token(self) -> None:
        """As another process that forces a new one does: the old one is good for nothing."""
        self.token = f"access-{int(self.token.partition('-')[2]) + 1}"

    def answer(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        self.requests.append(query)
        if self.failures:
            return {"errcode": self.failures.pop(0), "errmsg": "as the test wants it"}
        if path != "/sns/jscode2session" or query.get("grant_type") != "authorization_code":
            return {"errcode": 40002, "errmsg": "invalid grant_type"}
        if errcode := _wrong_credentials(query):
            return _error(errcode)
        code = query.get("js_code", "")
        if code in self.used:
            return {"errcode": 40163, "errmsg": "code been used"}
        if code not in self.codes:
            return {"errcode": 40029, "errmsg": "invalid code"}
        self.used.add(code)
        return {"openid": self.codes[code], "session_key": SESSION_KEY}

    def answer_post(self, path: str, query: dict[str, str], raw: bytes) -> dict[str, Any]:
        try:
            body = json.loads(raw)
        except ValueError:
            return _error(47001)
        with self._turn:
            if path == "/cgi-bin/stable_token":
                return self._give_token(body)
            if query.get("access_token") != self.token:
                return _error(40001)
            if path == "/cgi-bin/message/subscribe/send":
                return self._send(body)
            if path == "/wxa/msg_sec_check":
                return self._check(body)
            if path == "/wxa/business/getuserphonenumber":
                return self._tell_phone(body)
        return {"errcode": 40066, "errmsg": "invalid url"}

    def _give_token(self, body: dict[str, Any]) -> dict[str, Any]:
        self.token_requests.append(body)
        if self.token_failures:
            return _error(self.token_failures.pop(0))
        if errcode := _wrong_credentials(body):
            return _error(errcode)
        if body.get("force_refresh"):
            self.replace_token()
        return {"access_token": self.token, "expires_in": self.expires_in}

    def _tell_phone(self, body: dict[str, Any]) -> dict[str, Any]:
        self.phone_requests.append(body)
        if self.phone_failures:
            return _error(self.phone_failures.pop(0))
        code = body.get("code", "")
        if code in self.used or code not in self.phones:
            return _error(40029)
        self.used.add(code)
        number = self.phones[code]
        info = {
            "phoneNumber": number,
            "purePhoneNumber": number,
            "countryCode": "86",
            "watermark": {"timestamp": 1_764_550_800, "appid": APP_ID},
        }
        return {"errcode": 0, "errmsg": "ok", "phone_info": {**info, **self.phone_info}}

    def _send(self, body: dict[str, Any]) -> dict[str, Any]:
        self.sends.append(body)
        if self.send_failures:
            return _error(self.send_failures.pop(0), field="thing1")
        consent = body["touser"], body["template_id"]
        if not body["touser"].startswith("o"):
            return _error(40003)
        if body["template_id"] not in self.templates:
            return _error(40037)
        if body["page"] not in self.pages:
            return _error(41030)
        if wrong := _wrong_field(self.templates[body["template_id"]], body["data"]):
            return _error(47003, field=wrong)
        if self.consents[consent] < 1:
            return _error(43101)
        self.consents[consent] -= 1
        self.messages.append(body)
        return {"errcode": 0, "errmsg": "ok", "msgid": 4_294_967_296}

    def _check(self, body: dict[str, Any]) -> dict[str, Any]:
        self.checks.append(body)
        if self.check_failures:
            return _error(self.check_failures.pop(0))
        if body.get("version") != 2 or body.get("scene") not in {1, 2, 3, 4}:
            return _error(47001)
        if not body["openid"].startswith("o"):
            return _error(40003)
        suggest = self.verdicts.get(body["content"], "pass")
        result = {"suggest": suggest, "label": 100 if suggest == "pass" else 20002}
        return {"errcode": 0, "errmsg": "ok", "result": result, "detail": [], "trace_id": "60ae"}

    def _handler(fake: "FakeWechat") -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                time.sleep(fake.delay)
                parts = urlsplit(self.path)
                self._say(fake.answer(parts.path, dict(parse_qsl(parts.query))))

            def do_POST(self) -> None:
                time.sleep(fake.delay)
                parts = urlsplit(self.path)
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self._say(fake.answer_post(parts.path, dict(parse_qsl(parts.query)), raw))

            def _say(self, answer: dict[str, Any]) -> None:
                if fake.cut:
                    return
                body = json.dumps(answer).encode() if fake.raw is None else fake.raw
                self.send_response(fake.status)
                self.send_header("Content-Type", "text/plain")  # as the real one does
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with suppress(ConnectionError):  # the caller may have lost patience
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        return Handler


def _error(errcode: int, **values: str) -> dict[str, Any]:
    errmsg = ERRORS.get(errcode, "as the test wants it").format(**{"field": "", **values})
    return {"errcode": errcode, "errmsg": f"{errmsg} rid: 5f-7a-1"}


def _wrong_credentials(given: dict[str, Any]) -> int:
    if given.get("appid") != APP_ID:
        return 40013
    return 40125 if given.get("secret") != APP_SECRET else 0


def _wrong_field(fields: set[str], data: dict[str, Any]) -> str:
    """Every field of the template must be there and fit its kind; no other may."""
    for name in sorted(fields | set(data)):
        value = data.get(name, {}).get("value", "")
        too_long = name.startswith("thing") and len(value) > 20
        if name not in fields or not value or too_long:
            return name
    return ""
