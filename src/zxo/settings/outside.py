"""Services of others that ZXO calls."""

from typing import Annotated, Self

from phonenumbers import SUPPORTED_REGIONS
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)
from pydantic_settings import NoDecode

from zxo.kit.values import split
from zxo.settings.base import Section

# An id, and what its fields hold: ID:thing1=title,thing2=body,time3=at.
_FIELD = r"(thing[0-9]+=(title|body)|(time|date)[0-9]+=at)"
_TEMPLATE = rf"^([A-Za-z0-9_-]+(:{_FIELD}(,{_FIELD})*)?)?$"
Template = Annotated[str, StringConstraints(pattern=_TEMPLATE)]


class WechatSettings(Section):
    """The mini program. Without credentials, and outside production, `dev:NAME` logs in."""

    app_id: str = Field("", validation_alias="WECHAT_APP_ID")
    app_secret: SecretStr = Field(SecretStr(""), validation_alias="WECHAT_APP_SECRET")
    base_url: str = Field("https://api.weixin.qq.com", validation_alias="WECHAT_BASE_URL")
    page: str = Field("pages/index/index", validation_alias="WECHAT_MESSAGE_PAGE")
    reminder: Template = Field("", validation_alias="WECHAT_TEMPLATE_REMINDER")
    milestone: Template = Field("", validation_alias="WECHAT_TEMPLATE_MILESTONE")
    membership: Template = Field("", validation_alias="WECHAT_TEMPLATE_MEMBERSHIP")

    @property
    def configured(self) -> bool:
        return bool(self.app_id and self.app_secret.get_secret_value())


# A name, or all names below one. The address of this machine is for tests.
_HOST = r"^((\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+|http://127\.0\.0\.1:[0-9]+)$"
PushHost = Annotated[str, StringConstraints(pattern=_HOST)]
# Of Chrome, Edge, Firefox and Safari, and of the browsers made from them.
PUSH_HOSTS = "fcm.googleapis.com,*.push.services.mozilla.com,*.notify.windows.com,*.push.apple.com"


class WebPushSettings(Section):
    """Notices to browsers. The key is a P-256 private key: PEM, or its 32 bytes in base64url."""

    key: SecretStr = Field(SecretStr(""), validation_alias="WEB_PUSH_VAPID_KEY")
    subject: str = Field("", validation_alias="WEB_PUSH_SUBJECT", pattern="^(mailto:|https://|$)")
    hosts: Annotated[tuple[PushHost, ...], NoDecode, BeforeValidator(split)] = Field(
        tuple(PUSH_HOSTS.split(",")), validation_alias="WEB_PUSH_HOSTS"
    )

    @model_validator(mode="after")
    def _says_who_we_are(self) -> Self:
        if self.key.get_secret_value() and not self.subject:
            raise ValueError("WEB_PUSH_VAPID_KEY needs a WEB_PUSH_SUBJECT: mailto: or https:")
        return self

    def refuse_unsafe(self) -> None:
        """Raises ValueError for what must not stand in production."""
        if any("://" in host for host in self.hosts):
            raise ValueError("WEB_PUSH_HOSTS holds an address that is for tests only")


def _region(code: str) -> str:
    if code not in SUPPORTED_REGIONS:
        raise ValueError("no region such as CN or HK")
    return code


Region = Annotated[str, AfterValidator(_region)]


class SmsSettings(Section):
    """Aliyun's SMS service. Without it, and outside production, codes are written to the log."""

    key_id: str = Field("", validation_alias="SMS_ACCESS_KEY_ID")
    key_secret: SecretStr = Field(SecretStr(""), validation_alias="SMS_ACCESS_KEY_SECRET")
    sign_name: str = Field("", validation_alias="SMS_SIGN_NAME")
    template: str = Field("", validation_alias="SMS_TEMPLATE_CODE")
    base_url: str = Field(
        "https://dysmsapi.aliyuncs.com", validation_alias="SMS_BASE_URL", pattern="^https?://"
    )
    regions: Annotated[tuple[Region, ...], NoDecode, BeforeValidator(split)] = Field(
        ("CN",), validation_alias="SMS_REGIONS", min_length=1
    )

    @property
    def configured(self) -> bool:
        return bool(self.key_id)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        parts = (self.key_id, self.key_secret.get_secret_value(), self.sign_name, self.template)
        if any(parts) and not all(parts):
            raise ValueError(
                "SMS needs SMS_ACCESS_KEY_ID, SMS_ACCESS_KEY_SECRET, SMS_SIGN_NAME and"
                " SMS_TEMPLATE_CODE together"
            )
        return self

    def refuse_unsafe(self) -> None:
        """Raises ValueError for what must not stand in production."""
        if not self.base_url.startswith("https://"):
            raise ValueError("SMS_BASE_URL must begin with https:// in production")
