"""What a schema cannot say, so that a refusal of data which fits the schema is right.

Loaded by the schemathesis process (SCHEMATHESIS_HOOKS). Each entry is one rule of the service.
"""

import json
import os
import re
from itertools import cycle
from typing import Any
from uuid import uuid4

import schemathesis
from schemathesis.generation.meta import CoverageScenario

# Rules about the world, not about the form: a date, a place, a card, an earlier answer. And of
# fields that belong together: which ones a code of a kind needs, what a kind of search looks for.
BUSINESS_RULES = {
    "content_rejected",
    "date_not_in_past",
    "date_too_old",
    "invalid_code_plan",
    "invalid_cursor",  # opaque: only the service makes one
    "invalid_date_span",
    "invalid_grant",
    "invalid_phone",  # numbers are given out by countries
    "invalid_search",
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
    "weak_password",  # counted in bytes as well, compared with the name and a list
    "wrong_totp_code",
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


# Of what there is, by the name in the path; `own` is the operator who asks.
IDS: dict[str, list[Any]] = json.loads(os.environ["CONTRACT_IDS"])
OWN = IDS.pop("own", [])
KNOWN = {name: cycle([*ids, None]) for name, ids in IDS.items()}
SHORT = 255 - 32  # characters of a key that has room for more


@schemathesis.hook
def before_call(_: Any, case: Any, kwargs: Any) -> None:
    """Ids that exist, Idempotency-Keys that were not there before, passwords that are no secret.

    A key that came with another request is a 409, and a few keys come again and again.
    """
    if getattr(case.meta.phase.data, "scenario", None) == CoverageScenario.MISSING_PARAMETER:
        return  # whatever is changed, it would be taken for complete
    for name, value in (case.path_parameters or {}).items():
        if name.endswith("_id") and _is_id(value):
            case.path_parameters[name] = _known(name, value)
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) <= SHORT and key.isascii() and key.isprintable():
        case.headers["Idempotency-Key"] = f"{key}{uuid4().hex}"
    if case.operation.label == "POST /v1/admin/operators" and isinstance(case.body, dict):
        password = case.body.get("password")
        if isinstance(password, str) and 0 < len(password) < SHORT:
            case.body["password"] = f"{uuid4()}{password}"


def _is_id(value: object) -> bool:
    """Whether it is meant to be one: the others have to be refused. Numbers come as text, too."""
    text = str(value)
    if text.isascii() and text.isdigit():
        return 0 < int(text) < 2**63
    return re.fullmatch(r"[0-9a-f-]{36}", text) is not None


def _known(name: str, value: Any) -> Any:
    """One that there is, now and then the one that was made up; never the own."""
    known = next(KNOWN[name]) if name in KNOWN else None
    chosen = value if known is None else known
    own = name == "operator_id" and int(chosen) in OWN
    return type(value)(int(chosen) + 1) if own else type(value)(chosen)


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
