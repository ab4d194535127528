"""How often something may happen: a number and a window, as 10/1m."""

from pydantic import Field

from zxo.kit.values import Quota, QuotaSetting, Switch
from zxo.settings.base import Section

MINUTE, HOUR, DAY = 60, 3_600, 86_400


class LimitSettings(Section):
    """One variable a limit; what each is for stands in `zxo/limits.py`."""

    enabled: Switch = Field(True, validation_alias="RATE_LIMITS")
    proxies: int = Field(0, validation_alias="TRUSTED_PROXIES", ge=0, le=10)

    login: QuotaSetting = Field(Quota(10, MINUTE), validation_alias="LIMIT_LOGIN")
    cravings: QuotaSetting = Field(Quota(6, HOUR), validation_alias="LIMIT_CRAVINGS")
    boards: QuotaSetting = Field(Quota(10, MINUTE), validation_alias="LIMIT_BOARDS")
    redeem: QuotaSetting = Field(Quota(10, MINUTE), validation_alias="LIMIT_REDEEM")
    redeem_misses: QuotaSetting = Field(Quota(20, DAY), validation_alias="LIMIT_REDEEM_MISSES")
    sms_address: QuotaSetting = Field(Quota(30, DAY), validation_alias="LIMIT_SMS_ADDRESS")
    sms_number: QuotaSetting = Field(Quota(1, MINUTE), validation_alias="LIMIT_SMS_NUMBER")
    sms_number_daily: QuotaSetting = Field(
        Quota(10, DAY), validation_alias="LIMIT_SMS_NUMBER_DAILY"
    )
    admin_login: QuotaSetting = Field(Quota(10, MINUTE), validation_alias="LIMIT_ADMIN_LOGIN")
    # Of each process, in its memory: no request may wait for them.
    user: QuotaSetting = Field(Quota(600, MINUTE), validation_alias="LIMIT_USER")
    address: QuotaSetting = Field(Quota(3_000, MINUTE), validation_alias="LIMIT_ADDRESS")
    sockets: QuotaSetting = Field(Quota(60, MINUTE), validation_alias="LIMIT_SOCKETS")

    def refuse_unsafe(self) -> None:
        """Raises ValueError for what must not stand in production."""
        if not self.enabled:
            raise ValueError("RATE_LIMITS=off is for load tests, not for production")
