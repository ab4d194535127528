"""Why a phone number or its code is refused."""

from zxo.kit.errors import BadRequest, Conflict, Unavailable


class InvalidPhone(BadRequest):
    """This is not the number of a mobile phone."""

    code, message = "invalid_phone", "手机号格式不正确"


class PhoneRegionNotSupported(BadRequest):
    """Messages are not sent to numbers of this country or region."""

    code, message = "phone_region_not_supported", "暂不支持该国家或地区的手机号"


class InvalidSmsCode(BadRequest):
    """The code is wrong, used, older than five minutes, or was tried five times."""

    code, message = "invalid_sms_code", "验证码错误或已失效，请重新获取"


class SmsNotConfigured(Unavailable):
    """SMS_ACCESS_KEY_ID and what belongs to it are not set."""

    code, message = "sms_not_configured", "短信服务未开通"


class PhoneIsOnlyLogin(Conflict):
    """Without the phone number nobody could log in to this account any more."""

    code, message = "phone_is_only_login", "手机号是该账号唯一的登录方式，不能解绑"
