"""WeChat's server on loopback: speaks its protocol, with its error codes and its Content-Type."""

import json
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

APP_ID, APP_SECRET = "wx-test", "wechat-test-secret"
SESSION_KEY = "tiihtNczf5v6AKRyjwEUhQ=="


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # many phones log in at once


class FakeWechat:
    """Answers code2session. A code is good once; `codes` maps it to an openid."""

    def __init__(self) -> None:
        self.codes: dict[str, str] = {}
        self.used: set[str] = set()
        self.failures: list[int] = []  # errcodes to answer with first, one a request
        self.raw: bytes | None = None  # answer with exactly this instead
        self.status = 200
        self.delay = 0.0
        self.requests: list[dict[str, str]] = []
        self._server = _Server(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "FakeWechat":
        # Stopping waits for the next look at the flag: half a second by default.
        serving = {"poll_interval": 0.02}
        threading.Thread(target=self._server.serve_forever, kwargs=serving, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def issue(self, openid: str) -> str:
        """A fresh login code, as the mini program gets one for whoever holds the phone."""
        code = f"code-{len(self.codes) + 1}"
        self.codes[code] = openid
        return code

    def answer(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        self.requests.append(query)
        if self.failures:
            return {"errcode": self.failures.pop(0), "errmsg": "as the test wants it"}
        if path != "/sns/jscode2session" or query.get("grant_type") != "authorization_code":
            return {"errcode": 40002, "errmsg": "invalid grant_type"}
        if query.get("appid") != APP_ID:
            return {"errcode": 40013, "errmsg": "invalid appid"}
        if query.get("secret") != APP_SECRET:
            return {"errcode": 40125, "errmsg": "invalid appsecret"}
        code = query.get("js_code", "")
        if code in self.used:
            return {"errcode": 40163, "errmsg": "code been used"}
        if code not in self.codes:
            return {"errcode": 40029, "errmsg": "invalid code"}
        self.used.add(code)
        return {"openid": self.codes[code], "session_key": SESSION_KEY}

    def _handler(fake: "FakeWechat") -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                time.sleep(fake.delay)
                parts = urlsplit(self.path)
                answer = fake.answer(parts.path, dict(parse_qsl(parts.query)))
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
