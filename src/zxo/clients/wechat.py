"""WeChat's server API: who is behind a login code, and calls that need an access token.

https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session.html
A code lives five minutes and serves once. The session_key is not even read.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import httpx
import msgspec
from structlog import get_logger

from zxo.clients.wechat_token import AccessToken
from zxo.kit.errors import Forbidden, TooManyRequests, Unauthorized, Unavailable

log = get_logger(__name__)
# The library logs every URL, and these hold our secret or a token: not even where nobody
# configured logs.
logging.getLogger("httpx").setLevel(logging.WARNING)

TIMEOUT_SECONDS = 5.0
CONNECT_SECONDS = 3.0
BUSY_PAUSES = (0.0, 0.2, 0.4)  # seconds before each try
TOKEN_REFUSED = {40001, 40014, 42001}


class WechatNotConfigured(Unavailable):
    """WECHAT_APP_ID and WECHAT_APP_SECRET are not set."""

    code, message = "wechat_not_configured", "微信登录未开通"


class InvalidLoginCode(Unauthorized):
    """WeChat does not know the login code, or it was used before."""

    code, message = "invalid_login_code", "登录凭证无效或已使用，请重新登录"


class WechatUserBlocked(Forbidden):
    """WeChat has blocked this user."""

    code, message = "wechat_user_blocked", "该微信账号已被限制登录"


class WechatTooOften(TooManyRequests):
    """WeChat limits how often this user may log in."""

    code = "wechat_rate_limited"


class WechatUnavailable(Unavailable):
    """WeChat does not answer, or is busy."""

    code, message = "wechat_unavailable", "微信服务暂时不可用，请稍后再试"


class WechatNotDone(WechatUnavailable):
    """WeChat certainly did nothing: it was not reached, or said so."""


class _TryAgain(WechatNotDone):
    """errcode -1, or no connection."""


class Judgement(msgspec.Struct):
    """What WeChat thinks of a text: `pass`, `review` or `risky`."""

    suggest: str = "pass"


class Watermark(msgspec.Struct):
    appid: str = ""


class PhoneInfo(msgspec.Struct, rename="camel"):
    """A phone number: `country_code` 86 and `pure_number` without it."""

    country_code: str = ""
    pure_number: str = msgspec.field(default="", name="purePhoneNumber")
    watermark: Watermark = msgspec.field(default_factory=Watermark)


class Answer(msgspec.Struct):
    """What WeChat says; an errcode of 0 is success."""

    errcode: int = 0
    errmsg: str = ""
    openid: str = ""
    access_token: str = ""
    expires_in: int = 0
    result: Judgement | None = None
    phone_info: PhoneInfo | None = None


class Wechat:
    """A client for one mini program. `state`: which version of it messages lead to."""

    def __init__(
        self,
        app_id: str,
        app_secret: str,
        base_url: str,
        *,
        state: str = "developer",
        timeout: float = TIMEOUT_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.state = state
        self.app_id = app_id
        self._app_secret = app_secret
        self._token = AccessToken(self._fetch_token, now)
        patience = httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))
        self._http = httpx.AsyncClient(base_url=base_url, timeout=patience)

    async def close(self) -> None:
        await self._token.close()
        await self._http.aclose()

    async def openid(self, code: str) -> str:
        """Who is behind a login code, which it uses up. Raises one of the errors above."""
        for pause in BUSY_PAUSES:
            await asyncio.sleep(pause)
            with suppress(_Busy):
                return await self._code2session(code)
        raise WechatUnavailable("WeChat says that it is busy")

    async def call(self, path: str, body: Mapping[str, Any]) -> Answer:
        """POST `body` with an access token; what WeChat says, be it a refusal.

        Tried again while WeChat is busy or takes no connection, never after an answer was lost.
        Raises WechatNotDone, or WechatUnavailable where it may have been done all the same.
        """
        for pause in BUSY_PAUSES:
            await asyncio.sleep(pause)
            try:
                return await self._with_token(path, body)
            except _TryAgain as error:
                reason = error
        raise reason

    async def _with_token(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Once more with another token where the first is refused."""
        refused = ""
        for _ in range(2):
            token = await self._token.get(refused)
            answer = await self._ask("POST", path, params={"access_token": token}, json=body)
            if answer.errcode not in TOKEN_REFUSED:
                break
            refused = token
        if answer.errcode == -1:
            raise _TryAgain("WeChat says that it is busy")
        return answer

    async def _fetch_token(self, force: bool) -> tuple[str, int]:
        body = {
            "grant_type": "client_credential",
            "appid": self.app_id,
            "secret": self._app_secret,
            "force_refresh": force,
        }
        try:
            answer = await self._ask("POST", "/cgi-bin/stable_token", json=body)
        except WechatNotDone:
            raise
        except WechatUnavailable as error:
            raise WechatNotDone(error.detail) from None
        if answer.errcode == -1:
            raise _TryAgain("WeChat says that it is busy")
        if answer.errcode or not answer.access_token:
            # 40013, 40125 and 40164: our credentials are wrong, or our address is not on its list.
            log.error("wechat_access_failed", errcode=answer.errcode)
            raise WechatNotDone(f"WeChat gave no access token, errcode {answer.errcode}")
        return answer.access_token, answer.expires_in

    async def _code2session(self, code: str) -> str:
        query = {
            "appid": self.app_id,
            "secret": self._app_secret,
            "js_code": code,
            "grant_type": "authorization_code",
        }
        answer = await self._ask("GET", "/sns/jscode2session", params=query)
        _raise_for(answer.errcode)
        if not answer.openid:
            raise WechatUnavailable("WeChat answered without an openid")
        return answer.openid

    async def _ask(self, method: str, path: str, **parts: Any) -> Answer:
        try:
            response = await self._http.request(method, path, **parts)
            response.raise_for_status()
            # The Content-Type says text/plain; the body is JSON all the same.
            return msgspec.json.decode(response.content, type=Answer)
        # Not the errors' text: it holds the URL, and so the secret or a token.
        except httpx.ConnectError as error:
            raise _TryAgain(f"WeChat did not answer: {type(error).__name__}") from None
        except (httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise WechatNotDone(f"WeChat did not answer: {type(error).__name__}") from None
        except (httpx.HTTPError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise WechatUnavailable(f"WeChat did not answer: {type(error).__name__}") from None


class _Busy(Exception):
    """errcode -1: try again."""


def _raise_for(errcode: int) -> None:
    match errcode:
        case 0:
            return
        case -1:
            raise _Busy
        case 40029 | 40163:
            raise InvalidLoginCode(f"WeChat errcode {errcode}")
        case 40226:
            raise WechatUserBlocked
        case 45011:
            raise WechatTooOften("WeChat errcode 45011", headers={"Retry-After": "60"})
        case _:
            # 40013 and 40125 (our own credentials are wrong) among them.
            log.error("wechat_login_failed", errcode=errcode)
            raise WechatUnavailable(f"WeChat errcode {errcode}")
