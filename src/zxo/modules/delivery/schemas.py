"""Bodies of the subscriptions under /notifications."""

import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StrictInt, StringConstraints

from zxo.clients.web_push_crypto import decode, is_public_key
from zxo.kit.web import Body, Reply
from zxo.modules.delivery.models import PushSubscription, Subscriptions
from zxo.modules.delivery.rules import TEMPLATES


def _point(text: str) -> str:
    if not is_public_key(decode(text)):
        raise ValueError("must be a point of the curve P-256")
    return text


class ConsentBody(Body):
    """What the person answered to wx.requestSubscribeMessage: `accepted` times yes."""

    template: Literal["reminder", "milestone", "membership"]
    accepted: Annotated[StrictInt, Field(ge=1, le=10)]


class PushKeys(Body):
    """65 and 16 bytes in base64url."""

    p256dh: Annotated[
        str,
        StringConstraints(pattern="^[A-Za-z0-9_-]{87}=?$"),
        AfterValidator(_point),
        Field(alias="p256dh"),
    ]
    auth: Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{22}(==)?$")]


class PushSubscriptionBody(Body):
    """The browser's PushSubscription, as its toJSON() gives it."""

    endpoint: Annotated[str, StringConstraints(pattern="^[!-~]+$", max_length=2000)]
    expiration_time: float | None = None  # a push service says by itself when it is over
    keys: PushKeys


class WechatTemplateReply(Reply, frozen=True):
    """`template_id` is what the mini program asks consent for; null where it is not set up."""

    template: str
    template_id: str | None
    credits: int


class PushSubscriptionReply(Reply, frozen=True):
    id: int
    host: str
    created_at: datetime.datetime

    @classmethod
    def of(cls, browser: PushSubscription) -> Self:
        return cls(browser.id, browser.host, browser.created_at)


class SubscriptionsReply(Reply, frozen=True):
    """`web_push_key` is the applicationServerKey for browsers; null where it is not set up."""

    wechat: list[WechatTemplateReply]
    web_push_key: str | None
    push_subscriptions: list[PushSubscriptionReply]

    @classmethod
    def of(
        cls, found: Subscriptions, template_ids: dict[str, str], web_push_key: str | None
    ) -> Self:
        """`template_ids` by the names of the templates that are set up."""
        wechat = [
            WechatTemplateReply(name, template_ids.get(name), found.credits.get(name, 0))
            for name in TEMPLATES
        ]
        browsers = [PushSubscriptionReply.of(browser) for browser in found.browsers]
        return cls(wechat, web_push_key, browsers)
