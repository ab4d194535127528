"""Codes by SMS: Aliyun's SendSms, and a sender for development that writes to the log.

https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature"""

import asyncio
import re
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import httpx
import msgspec
from structlog import get_logger

from zxo.clients.aliyun_signature import Signer
from zxo.kit.clock import Clock
from zxo.kit.errors import BadRequest, TooManyRequests, Unavailable

log = get_logger(__name__)

TIMEOUT_SECONDS = 5.0
CONNECT_SECONDS = 3.0
_real_time = Clock().now  # Aliyun takes no other, whatever ZXO_CLOCK says
PAUSES = (0.0, 0.3, 0.6)  # seconds before each try
RETRY_AFTER = 60  # by then the person may ask for another code
API_VERSION = "2017-05-25"

# Which of its limits Aliyun says was reached: one a minute, five an hour, ten a day.
_LIMITS = {"分钟级": 60, "小时级": 3600, "天级": 86_400}
_CODE = re.compile(r"[A-Za-z0-9_.]{1,80}")


class SmsNumberRefused(BadRequest):
    """The SMS service does not take this number."""

    code, message = "sms_number_refused", "该手机号无法接收短信"


class SmsTooOften(TooManyRequests):
    """The SMS service limits how often this number is written to."""

    code, message = "sms_rate_limited", "验证码发送过于频繁，请稍后再试"


class SmsUnavailable(Unavailable):
    """The SMS service does not answer, or does not send for us."""

    code, message = "sms_unavailable", "短信服务暂时不可用，请稍后再试"


class _TryAgain(Exception):
    """Not sent, and the next try may be."""


class Sms(Protocol):
    """Whatever brings a code to a phone."""

    async def send_code(self, number: str, masked: str, code: str) -> None:
        """`number` is E.164; `masked` is for the log. Raises one of the errors above."""

    async def close(self) -> None: ...


class LoggedSms:
    """For development: the code is read in the log."""

    async def send_code(self, number: str, masked: str, code: str) -> None:
        del number
        log.info("sms_code", to=masked, code=code)

    async def close(self) -> None:
        """Nothing is open."""


class Answer(msgspec.Struct, rename="pascal"):
    """What Aliyun says: OK, or why not. An error of the gateway has the same two fields."""

    code: str = ""
    message: str = ""


class AliyunSms:
    """Sends one approved template, whose one variable is `code`."""

    def __init__(
        self,
        signer: Signer,
        sign_name: str,
        template: str,
        base_url: str,
        *,
        timeout: float = TIMEOUT_SECONDS,
        now: Callable[[], datetime] = _real_time,
    ) -> None:
        self._signer = signer
        self._fixed = {"SignName": sign_name, "TemplateCode": template}
        self._now = now
        patience = httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))
        # No proxy of the environment: the number stands in the address.
        self._http = httpx.AsyncClient(base_url=base_url, timeout=patience, trust_env=False)

    async def close(self) -> None:
        await self._http.aclose()

    async def send_code(self, number: str, masked: str, code: str) -> None:
        """Tried again while Aliyun throttles or takes no connection, never once it may be sent.

        Raises SmsNumberRefused, SmsTooOften, SmsUnavailable.
        """
        del masked
        query = {
            **self._fixed,
            # Of the mainland without its country code, of elsewhere with it, never with a plus.
            "PhoneNumbers": number.removeprefix("+86").removeprefix("+"),
            "TemplateParam": msgspec.json.encode({"code": code}).decode(),
        }
        for pause in PAUSES:
            await asyncio.sleep(pause)
            try:
                return _judge(await self._ask(query))
            except _TryAgain as error:
                reason = str(error)
        raise SmsUnavailable(f"Aliyun sent nothing: {reason}", retry_after=RETRY_AFTER)

    async def _ask(self, query: dict[str, str]) -> Answer:
        request = self._http.build_request("POST", "/")
        signed = self._signer.sign(request.headers["host"], "SendSms", query, self._now())
        request.url = request.url.copy_with(query=signed.query.encode())
        request.headers.update(signed.headers)
        try:
            response = await self._http.send(request)
            # A refusal has a status of 400 and up, and says why in the same form.
            return msgspec.json.decode(response.content, type=Answer)
        # Not the errors' text: it holds the address, and so the number and the code.
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _TryAgain(type(error).__name__) from None
        except (httpx.HTTPError, msgspec.DecodeError, UnicodeDecodeError) as error:
            detail = f"Aliyun did not answer: {type(error).__name__}"
            log.warning("sms_uncertain", reason=type(error).__name__)
            raise SmsUnavailable(detail, retry_after=RETRY_AFTER) from None


def _judge(answer: Answer) -> None:
    """Raises what a refusal means. Aliyun's text may repeat what was sent: it goes nowhere."""
    match answer.code:
        case "OK":
            return
        case "isv.MOBILE_NUMBER_ILLEGAL":
            raise SmsNumberRefused
        case "isv.BUSINESS_LIMIT_CONTROL":
            wait = next((s for word, s in _LIMITS.items() if word in answer.message), RETRY_AFTER)
            raise SmsTooOften(headers={"Retry-After": str(wait)})
        case code if code.startswith("Throttling") or code == "ServiceUnavailable":
            raise _TryAgain("it throttles")
        case code:
            # No money, a wrong key, signature or template, no permission: ours to mend.
            # isp.SYSTEM_ERROR and InternalError: theirs, and nobody knows whether it was sent.
            known = code if _CODE.fullmatch(code) else "unreadable"
            log.error("sms_failed", reason=known)
            raise SmsUnavailable(f"Aliyun refused: {known}", retry_after=RETRY_AFTER)
