"""The phone number that a person shares in the mini program.

https://developers.weixin.qq.com/miniprogram/dev/server/API/user-info/phone-number/api_getphonenumber.html
"""

from structlog import get_logger

from zxo.clients.wechat import Wechat, WechatTooOften, WechatUnavailable
from zxo.kit.errors import BadRequest

log = get_logger(__name__)

PATH = "/wxa/business/getuserphonenumber"


class InvalidPhoneCode(BadRequest):
    """WeChat does not know the code for the phone number, or it was used before."""

    code, message = "invalid_wechat_phone_code", "手机号授权已失效，请重新授权"


async def phone_number(wechat: Wechat, code: str) -> str:
    """The number behind a code, which it uses up: `+8613800138000`. Not checked yet.

    Raises InvalidPhoneCode, WechatTooOften, WechatUnavailable.
    """
    answer = await wechat.call(PATH, {"code": code})
    match answer.errcode:
        case 0:
            pass
        case 40029 | 40163:
            raise InvalidPhoneCode
        case 45009 | 45011:
            raise WechatTooOften(headers={"Retry-After": "60"})
        case errcode:  # 47001 (our body), 48001 (no permission): ours to mend
            log.error("wechat_number_failed", errcode=errcode)
            raise WechatUnavailable(f"WeChat errcode {errcode}")
    info = answer.phone_info
    if info is None or not info.pure_number:
        raise WechatUnavailable("WeChat answered without a phone number")
    if info.watermark.appid != wechat.app_id:
        log.error("wechat_number_of_another_app")
        raise WechatUnavailable("WeChat answered with a phone number for another app")
    return f"+{info.country_code.removeprefix('+')}{info.pure_number}"
