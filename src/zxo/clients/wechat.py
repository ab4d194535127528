"""WeChat's server API: who is behind a login code.

https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session.html
A code lives five minutes and serves once. The session_key is not even read.
"""

import asyncio
import logging
from contextlib import suppress

import httpx
import msgspec
from structlog import get_logger

from zxo.kit.errors import Forbidden, TooManyRequests, Unauthorized, Unavailable

log = get_logger(__name__)
# The library logs every URL, and this one holds our secret: not even where nobody configured logs.
logging.getLogger("httpx").setLevel(logging.WARNING)

TIMEOUT_SECONDS = 5.0
CONNECT_SECONDS = 3.0
BUSY_PAUSES = (0.0, 0.2, 0.4)  # seconds before each try


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


class _Answer(msgspec.Struct):
    openid: str = ""
    errcode: int = 0


class _Busy(Exception):
    """errcode -1: try again."""


class Wechat:
    """A client for one mini program."""

    def __init__(
        self, app_id: str, app_secret: str, base_url: str, *, timeout: float = TIMEOUT_SECONDS
    ) -> None:
        self._app_id = app_id
        self._app_secret = app_secret
        patience = httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))
        self._http = httpx.AsyncClient(base_url=base_url, timeout=patience)

    async def close(self) -> None:
        await self._http.aclose()

    async def openid(self, code: str) -> str:
        """Who is behind a login code, which it uses up. Raises one of the errors above."""
        for pause in BUSY_PAUSES:
            await asyncio.sleep(pause)
            with suppress(_Busy):
                return await self._code2session(code)
        raise WechatUnavailable("WeChat says that it is busy")

    async def _code2session(self, code: str) -> str:
        query = {
            "appid": self._app_id,
            "secret": self._app_secret,
            "js_code": code,
            "grant_type": "authorization_code",
        }
        try:
            response = await self._http.get("/sns/jscode2session", params=query)
            response.raise_for_status()
            # The Content-Type says text/plain; the body is JSON all the same.
            answer = msgspec.json.decode(response.content, type=_Answer)
        except (httpx.HTTPError, msgspec.DecodeError, UnicodeDecodeError) as error:
            # Not the error's text: it holds the URL, and so the secret.
            raise WechatUnavailable(f"WeChat did not answer: {type(error).__name__}") from None
        _raise_for(answer.errcode)
        if not answer.openid:
            raise WechatUnavailable("WeChat answered without an openid")
        return answer.openid


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
