"""What a schema cannot say, so that a refusal of data which fits the schema is right.

Loaded by the schemathesis process (SCHEMATHESIS_HOOKS). Each entry is one rule of the service.
"""

import json
from typing import Any

import schemathesis

# Rules about the world, not about the form: a date, a place, a card, an earlier answer.
BUSINESS_RULES = {
    "content_rejected",
    "date_not_in_past",
    "date_too_old",
    "invalid_cursor",  # opaque: only the service makes one
    "invalid_date_span",
    "invalid_phone",  # numbers are given out by countries
    "invalid_sms_code",
    "invalid_wechat_phone_code",
    "no_makeup_card",
    "phone_region_not_supported",
    "push_service_not_allowed",
    "quit_at_in_future",
    "region_not_set",
    "street_without_district",
    "too_many_makeups_today",
    "unknown_region",  # the list of divisions has thousands of names
}
# Reasons of invalid_request for which JSON Schema has no keyword.
FORM_RULES = {
    "contains control characters or broken Unicode",
    "latitude and longitude come together",
    "must be a point of the curve P-256",
    "must be one line",
    "must be one line of printable characters",
    "must have something to see",
    "name either ids, or all: true",
    "must not be before 1900, nor beyond the calendar",
    "takes phone and code, or wechatCode alone",
    "not an IANA time zone such as Asia/Shanghai",
    # 5.0 is an integer to JSON Schema; whole numbers come without a fraction here.
    "Input should be a valid integer",
    # Counted after white space at the ends and invisible marks are gone.
    "String should have at least 1 character",
}


@schemathesis.hook
def filter_failure(_: Any, failure: Any, case: Any, response: Any) -> bool:
    """Whether `failure` is one."""
    if type(failure).__name__ == "RejectedPositiveData":
        return not _is_right_to_refuse(json.loads(response.content))
    if type(failure).__name__ == "UnsupportedMethodResponse":
        # DELETE /cravings/stats is DELETE /cravings/{craving_id} with an id that cannot be one.
        return not (case.method == "DELETE" and response.status_code == 400)
    return True


def _is_right_to_refuse(envelope: dict[str, Any]) -> bool:
    if envelope["errorCode"] in BUSINESS_RULES:
        return True
    reasons = {field["reason"] for field in (envelope.get("data") or {}).get("fields", ())}
    return bool(reasons) and reasons <= FORM_RULES
