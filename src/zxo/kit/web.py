"""The envelope of every answer, the base of every body, and how routes are declared."""

from typing import Any

import msgspec
from fastapi import params
from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import Response

from zxo.kit.clock import Clock
from zxo.kit.text import clean_deep

_encoder = msgspec.json.Encoder(decimal_format="number")


class Reply(msgspec.Struct, rename="camel", frozen=True):
    """Base of response bodies: snake_case inside, camelCase outside."""


class Body(BaseModel):
    """Base of request bodies: camelCase names only, unknown fields refused, text cleaned."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _clean(cls, value: Any) -> Any:
        return clean_deep(value)

    def named(self) -> dict[str, Any]:
        """The fields that the request named: a PUT leaves the others as they are."""
        return self.model_dump(exclude_unset=True)


class Query(BaseModel):
    """Base of what stands in a query: camelCase names; other parameters are passed over."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


# Beside a Query in a route's signature: Annotated[SomeQuery, InQuery].
InQuery = params.Query()


class Success(msgspec.Struct, frozen=True):
    code: int
    message: str
    data: Any
    timestamp: int


class Failure(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    code: int
    message: str
    error: str
    error_code: str
    request_id: str
    timestamp: int
    data: Any = None


class Problem(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """RFC 9457, for clients that ask for application/problem+json."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    error_code: str
    request_id: str
    data: Any = None


def header(request: Request, name: bytes) -> str | None:
    """A header of the request, by its name in lower case."""
    value: bytes | None = request.scope["headers_by_name"].get(name)
    return None if value is None else value.decode("latin-1")


def ok(clock: Clock, data: Any = None, *, status: int = 200, message: str = "success") -> Response:
    """`data` in the envelope."""
    envelope = Success(status, message, data, clock.timestamp_ms())
    return json_response(envelope, status)


def json_response(
    content: Any,
    status: int = 200,
    media_type: str = "application/json",
    headers: dict[str, str] | None = None,
) -> Response:
    """`content` (structs, dicts, dates, decimals) as JSON."""
    return Response(_encoder.encode(content), status, headers, media_type)
