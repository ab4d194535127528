"""Phone numbers, and the codes that prove whose they are."""

from zxo.modules.phones.errors import (
    InvalidPhone,
    InvalidSmsCode,
    PhoneRegionNotSupported,
    SmsNotConfigured,
)
from zxo.modules.phones.schemas import PhoneText, SmsCodeText
from zxo.modules.phones.service import check_login_code, number_of, use_up

__all__ = [
    "InvalidPhone",
    "InvalidSmsCode",
    "PhoneRegionNotSupported",
    "PhoneText",
    "SmsCodeText",
    "SmsNotConfigured",
    "check_login_code",
    "number_of",
    "use_up",
]
