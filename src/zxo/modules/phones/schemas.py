"""Bodies of the routes about phone numbers."""

import unicodedata
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, StringConstraints, model_validator

from zxo.kit.web import Body, Reply
from zxo.modules.phones.rules import LONGEST_INPUT


def _plain(value: object) -> object:
    """Full-width digits as they are meant."""
    return unicodedata.normalize("NFKC", value).strip() if isinstance(value, str) else value


PhoneText = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_INPUT)]
SmsCodeText = Annotated[
    str, StringConstraints(pattern="^[0-9]{6}$", max_length=6), BeforeValidator(_plain)
]


class SmsCodeBody(Body):
    """`bind` needs a token: the code then binds the number to the caller's account alone."""

    phone: PhoneText
    purpose: Literal["login", "bind"] = "login"


class BindBody(Body):
    """Either `phone` and the `code` that was sent there, or what WeChat gave as `wechatCode`."""

    phone: PhoneText | None = None
    code: SmsCodeText | None = None
    wechat_code: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        by_sms = (self.phone is not None, self.code is not None)
        if by_sms != ((self.wechat_code is None),) * 2:
            raise ValueError("takes phone and code, or wechatCode alone")
        return self


class SmsCodeReply(Reply, frozen=True):
    """In seconds: how long the code is good, and when the next one may be asked for."""

    expires_in: int
    resend_after: int


class PhoneReply(Reply, frozen=True):
    """The number as it is shown: `138****8000`."""

    phone: str | None
