"""Dates as they come in: `YYYY-MM-DD` and nothing else."""

import re
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator

_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _calendar_form(value: Any) -> Any:
    # Pydantic alone would take seconds since 1970 and a midnight with an offset for a date, too.
    if not isinstance(value, str) or not _FORM.fullmatch(value):
        raise ValueError("must be a date such as 2025-12-01")
    return value


CalendarDate = Annotated[date, BeforeValidator(_calendar_form, json_schema_input_type=date)]
