"""Whether a text may be stored: WeChat's look at it where there is one, our list of words always.

https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/sec-center/sec-check/msgSecCheck.html
WeChat judges only people who were in the mini program within two hours; about everybody else, and
while it is away, the list decides.
"""

import asyncio
from enum import IntEnum

from structlog import get_logger

from zxo.clients.content_words import WordList
from zxo.clients.wechat import Wechat, WechatUnavailable
from zxo.kit import metrics
from zxo.kit.errors import BadRequest

log = get_logger(__name__)

LONGEST = 2500  # characters that WeChat looks at
SECONDS = 2.0  # somebody waits for the answer, and WeChat's tries and token may take 15 s
NOT_JUDGED = {40003, 61010}  # no openid of this app; not in the mini program for two hours


class Scene(IntEnum):
    """What kind of text it is, in WeChat's numbers."""

    PROFILE = 1  # others see it
    LOG = 4  # a note for oneself


class ContentRejected(BadRequest):
    """The text says what may not be said here."""

    code, message = "content_rejected", "内容包含不适当的信息，请修改后再试"

    def __init__(self, field: str) -> None:
        fields = [{"field": field, "reason": "rejected by the content check"}]
        super().__init__(f"{field}: rejected by the content check", data={"fields": fields})


class ContentCheck:
    """`wechat`: None where the mini program is not configured."""

    def __init__(self, words: WordList, wechat: Wechat | None) -> None:
        self._words = words
        self._wechat = wechat

    async def check(self, field: str, text: str, scene: Scene, openid: str | None) -> None:
        """Raises ContentRejected. `field`: its name in the request; `openid`: whose text it is.

        Asks WeChat: not to be called in a transaction.
        """
        if self._words.finds(text):
            raise ContentRejected(field)
        if self._wechat and openid and not await self._passes(self._wechat, text, scene, openid):
            raise ContentRejected(field)

    async def _passes(self, wechat: Wechat, text: str, scene: Scene, openid: str) -> bool:
        body = {"version": 2, "openid": openid, "scene": int(scene), "content": text[:LONGEST]}
        try:
            async with asyncio.timeout(SECONDS):
                answer = await wechat.call("/wxa/msg_sec_check", body)
        except (WechatUnavailable, TimeoutError):
            metrics.content_unchecked.labels("away").inc()
            return True
        if answer.errcode or answer.result is None:
            self._report(answer.errcode)
            return True
        # "review" is a doubt. Nobody sits here to look at it: what others see has to be free of
        # doubt, what is for oneself has not.
        refused = {"risky", "review"} if scene == Scene.PROFILE else {"risky"}
        return answer.result.suggest not in refused

    def _report(self, errcode: int) -> None:
        reason = "not_judged" if errcode in NOT_JUDGED else "failed"
        metrics.content_unchecked.labels(reason).inc()
        if reason == "failed":
            log.error("content_check_failed", errcode=errcode)
