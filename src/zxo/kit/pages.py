"""Lists a page at a time: `limit` and an opaque `cursor` that says where the last page ended."""

import base64
from typing import Annotated, TypeVar

import msgspec
from fastapi import Query

from zxo.kit.errors import BadRequest

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=100, description="每页条数")]
Cursor = Annotated[str | None, Query(max_length=200, description="上一页返回的 nextCursor")]


class InvalidCursor(BadRequest):
    """The cursor is not one that this list gave out."""

    code, message = "invalid_cursor", "分页参数无效"


def encode_cursor(position: object) -> str:
    """`position` (a tuple of JSON values, dates and instants) as text for a URL."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode_cursor(cursor: str | None, kind: type[T]) -> T | None:
    """The position of `cursor`; None for the first page. Raises InvalidCursor."""
    if cursor is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, msgspec.DecodeError):
        raise InvalidCursor from None
