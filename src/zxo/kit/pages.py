"""Lists a page at a time: `limit` and an opaque `cursor` that says where the last page ended."""

import base64
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Query
from pydantic import Field

from zxo.kit.errors import BadRequest

T = TypeVar("T")

_CURSOR: dict[str, Any] = {
    "max_length": 200,
    "description": "上一页返回的 nextCursor",
    "json_schema_extra": {"pattern": "^[A-Za-z0-9_-]*$"},
}

Limit = Annotated[int, Query(ge=1, le=100, description="每页条数")]
Cursor = Annotated[str | None, Query(**_CURSOR)]

# The same as fields of a Query model.
LimitField = Annotated[int, Field(ge=1, le=100, description="每页条数")]
CursorField = Annotated[str | None, Field(**_CURSOR)]


class InvalidCursor(BadRequest):
    """The cursor is not one that this list gave out."""

    code, message = "invalid_cursor", "分页参数无效"


def cut(
    found: Sequence[T], limit: int, position: Callable[[T], object]
) -> tuple[Sequence[T], str | None]:
    """The page of a list of which one more than `limit` was asked for, and its nextCursor.

    `position`: where a page ends that has this as its last.
    """
    page = found[:limit]
    return page, encode_cursor(position(page[-1])) if len(found) > limit else None


def encode_cursor(position: object) -> str:
    """`position` (a tuple of JSON values, dates and instants) as text for a URL."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode_cursor(cursor: str | None, kind: type[T]) -> T | None:
    """The position of `cursor`; None for the first page. Raises InvalidCursor.

    Anybody can make a cursor: what it holds is checked as any other input.
    """
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        raw = base64.b64decode(padded, altchars=b"-_", validate=True)
        position = msgspec.json.decode(raw, type=kind)
    except (ValueError, msgspec.DecodeError):
        raise InvalidCursor from None
    if not all(map(_can_be_asked_for, _parts(position))):
        raise InvalidCursor
    return position


def _parts(position: object) -> Iterable[object]:
    if isinstance(position, msgspec.Struct):
        return msgspec.structs.astuple(position)
    return position if isinstance(position, Iterable) else (position,)


def _can_be_asked_for(part: object) -> bool:
    """Whether PostgreSQL has such a value: it knows no larger numbers, and no NUL in a text."""
    if isinstance(part, int):
        return abs(part) < 2**63
    if isinstance(part, datetime):  # far from the ends: it is moved to UTC
        return part.tzinfo is not None and 1 < part.year < 9999
    return not (isinstance(part, str) and "\0" in part)
