"""WeChat's subscription messages: one consent of the person is one message.

https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-message-management/subscribe-message/sendMessage.html
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, Self

from structlog import get_logger

from zxo.clients.outcomes import Outcome
from zxo.clients.wechat import Wechat, WechatNotDone, WechatUnavailable

log = get_logger(__name__)

SEND = "/cgi-bin/message/subscribe/send"
LONGEST_THING = 20  # code points
DEFAULT_FIELDS = "thing1=title,thing2=body"


class Template(NamedTuple):
    """A template of the operator: its id, and what goes into which of its fields."""

    id: str
    fields: tuple[tuple[str, str], ...]  # ("thing1", "title"), ("thing2", "body"), ("time3", "at")

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the form of the settings: `ID`, or `ID:thing1=title,thing2=body,time3=at`."""
        number, _, fields = text.partition(":")
        pairs = [field.split("=") for field in (fields or DEFAULT_FIELDS).split(",")]
        return cls(number, tuple((name, source) for name, source in pairs))

    def filled(self, title: str, body: str, at: datetime) -> dict[str, str]:
        """What the fields hold, as WeChat takes it. `at` is in the person's own zone."""
        texts = {"title": title, "body": body or title}  # an empty field would be refused
        return {
            name: _time(name, at) if source == "at" else _thing(texts[source])
            for name, source in self.fields
        }


def _thing(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_THING else f"{line[: LONGEST_THING - 1]}…"


def _time(name: str, at: datetime) -> str:
    day = f"{at.year}年{at.month}月{at.day}日"
    return day if name.startswith("date") else f"{day} {at:%H:%M}"


async def send_subscribe_message(
    wechat: Wechat, openid: str, template_id: str, fields: Mapping[str, str], page: str
) -> Outcome:
    """Send it, or log why not.

    Not tried again after an answer was lost: two messages are worse than none.
    """
    body = {
        "touser": openid,
        "template_id": template_id,
        "page": page,
        "data": {name: {"value": value} for name, value in fields.items()},
        "miniprogram_state": wechat.state,
        "lang": "zh_CN",
    }
    try:
        answer = await wechat.call(SEND, body)
    except WechatNotDone as error:
        log.warning("wechat_message_given_up", reason=error.detail)
        return Outcome.NOT_SENT
    except WechatUnavailable as error:
        log.warning("wechat_message_uncertain", reason=error.detail)
        return Outcome.UNCERTAIN
    return _outcome(answer.errcode, answer.errmsg, template_id)


def _outcome(errcode: int, errmsg: str, template_id: str) -> Outcome:
    match errcode:
        case 0:
            return Outcome.SENT
        case 43101:
            return Outcome.NO_CREDIT
        case 40003:  # not an openid of this mini program
            log.warning("wechat_message_refused", errcode=errcode)
        case 45009 | 45011:
            log.warning("wechat_message_limited", errcode=errcode)
        case _:
            # 40037 no such template, 47003 a field does not fit, 41030 no such page: ours to mend.
            log.error(
                "wechat_message_failed",
                errcode=errcode,
                template=template_id,
                field=_field_at_fault(errmsg),
            )
    return Outcome.NOT_SENT


def _field_at_fault(errmsg: str) -> str | None:
    """The one thing of WeChat's text that is worth a log: the rest may repeat what was sent."""
    found = re.search(r"data\.([a-z_]{1,20}[0-9]{1,3})\.value", errmsg, re.ASCII)
    return found[1] if found else None
