"""OpenAPI for answers that are structs: their schemas come from msgspec, with the envelope."""

from collections.abc import Callable, Collection, Iterator
from types import UnionType
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from starlette.responses import Response

from zxo.kit.errors import (
    AppError,
    BadRequest,
    PayloadTooLarge,
    RequestTooSlow,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
)
from zxo.kit.failures import InvalidFields
from zxo.kit.idempotency import InvalidKey, KeyReused, StillRunning
from zxo.kit.security import SessionEnded, TokenExpired, TokenInvalid
from zxo.kit.web import Failure, Problem, Reply

Dependency = Callable[..., Any]
Limited = Callable[[str, str], object]

# What routes refuse before they are asked, and therefore do not declare.
_ANYWHERE = (BadRequest, InvalidFields, TooManyRequests, Unavailable)
_WITH_BODY = (RequestTooSlow, PayloadTooLarge, UnsupportedMediaType)
_SECURED = (Unauthorized, TokenInvalid, TokenExpired, SessionEnded)
_IDEMPOTENT = (InvalidKey, KeyReused, StillRunning)

_BEARER = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
_OPERATOR = {"type": "http", "scheme": "bearer"}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "同一个键在 24 小时内重复提交时，返回第一次的结果",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}
_HEADERS = {
    "X-Request-Id": {"description": "请求编号", "schema": {"type": "string"}},
    "Retry-After": {"description": "多少秒后重试", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"schema": {"const": "Bearer"}},
    "RateLimit-Policy": {
        "description": '所受的限制：`"login";q=10;w=60` 即 60 秒内 10 次',
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": '剩余的次数与秒数：`"login";r=7;t=18`',
        "schema": {"type": "string"},
    },
    "Idempotent-Replayed": {
        "description": "这是同一 Idempotency-Key 第一次的结果",
        "schema": {"const": "true"},
    },
}

_KEYWORDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
}
_MAY_RETRY = {TooManyRequests.status, Unavailable.status}

_REFERENCE = "#/components/schemas/{name}"
_documented: dict[type[Reply], dict[str, Any]] = {}


def answers(
    data: type[Reply] | UnionType | None,
    *errors: type[AppError],
    status: int = 200,
    content: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Arguments for a route decorator: what it answers with, and which failures to expect.

    `content`: of an answer that is no envelope, by media type.
    """
    told = content or _json(_envelope(data, status))
    responses = {status: {"description": "成功", "content": told}, **_failures(errors)}
    # The default class would have JSON added to its content.
    other = {"response_class": Response} if content else {}
    return {"status_code": status, "responses": responses, **other}


def _failures(errors: Collection[type[AppError]]) -> dict[int | str, dict[str, Any]]:
    by_status: dict[int | str, list[type[AppError]]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error)
    return {
        status: {
            "description": "；".join(map(_sentence, kinds)),
            "content": {
                **_json({"$ref": _REFERENCE.format(name="Failure")}),
                "application/problem+json": {"schema": {"$ref": _REFERENCE.format(name="Problem")}},
            },
        }
        for status, kinds in by_status.items()
    }


def _sentence(error: type[AppError]) -> str:
    return f"`{error.code}` {error.message}"


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _envelope(data: type[Reply] | UnionType | None, status: int) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["code", "message", "data", "timestamp"],
        "additionalProperties": False,
        "properties": {
            "code": {"const": status},
            "message": {"type": "string"},
            "data": _reference(data) if data else {"type": "null"},
            "timestamp": {"type": "integer", "description": "ms since 1970"},
        },
    }


def _reference(data: type[Reply] | UnionType) -> dict[str, Any]:
    if isinstance(data, UnionType):
        return {"oneOf": [_reference(kind) for kind in data.__args__]}
    if data not in _documented:
        _documented[data] = {}
    return {"$ref": _REFERENCE.format(name=data.__name__)}


def install(
    app: FastAPI,
    secured_by: Collection[Dependency] = (),
    operated_by: Collection[Dependency] = (),
    limited: Limited = lambda method, path: False,
) -> None:
    """Serve the schema at /openapi.json, with the structs' components in it.

    A route that depends on one of `secured_by` needs a user's token, on one of `operated_by` an
    operator's. `limited`: whether all answers to a method and a path say what is left of a limit.
    """

    def schema() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _build(app, secured_by, operated_by, limited)
        return app.openapi_schema

    app.openapi = schema  # type: ignore[method-assign]


def _build(
    app: FastAPI,
    secured_by: Collection[Dependency],
    operated_by: Collection[Dependency],
    limited: Limited,
) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    components = document.setdefault("components", {})
    components["securitySchemes"] = {"bearer": _BEARER, "operator": _OPERATOR}
    components["headers"] = _HEADERS
    _add_structs(components.setdefault("schemas", {}))
    for method, route, operation in _operations(app, document):
        _complete(operation, method, secured=_needs(route.dependant, secured_by))
        if _needs(route.dependant, operated_by):
            operation["security"] = [{"operator": []}]
        for status, response in operation["responses"].items():
            says_what_is_left = status == "429" or bool(limited(method, route.path))
            response["headers"] = _headers_of(int(status), method, limited=says_what_is_left)
    return document


def _add_structs(schemas: dict[str, Any]) -> None:
    structs: list[type[msgspec.Struct]] = [*_documented, Failure, Problem]
    _, components = msgspec.json.schema_components(structs, ref_template=_REFERENCE)
    schemas.update(components)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for name, schema in schemas.items():
        schemas[name] = _mended(schema)


def _operations(app: FastAPI, document: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """The method, the route and the documentation of every documented operation."""
    for route in iter_route_contexts(app.routes):
        documented = document["paths"].get(route.path_format, {})
        for method in route.methods or ():
            if operation := documented.get(method.lower()):
                yield method, route, operation


def _needs(dependant: Any, dependencies: Collection[Dependency]) -> bool:
    return dependant.call in dependencies or any(
        _needs(inner, dependencies) for inner in dependant.dependencies
    )


def _complete(operation: dict[str, Any], method: str, *, secured: bool) -> None:
    """Add what every operation of this kind does, whatever its route declares."""
    # FastAPI documents a 422 for every route with parameters; ours is a 400.
    operation["responses"].pop("422", None)
    expected = [*_ANYWHERE]
    if method != "GET":
        expected += _WITH_BODY
    if secured:
        operation["security"] = [{"bearer": []}]
        expected += _SECURED
    if method == "POST":
        operation.setdefault("parameters", []).append(_KEY)
        expected += _IDEMPOTENT
    _add_failures(operation["responses"], expected)


def _add_failures(responses: dict[str, Any], expected: Collection[type[AppError]]) -> None:
    for error in expected:
        ((status, added),) = _failures([error]).items()
        known = responses.setdefault(str(status), added)
        if _sentence(error) not in known["description"]:
            known["description"] += f"；{_sentence(error)}"


def _headers_of(status: int, method: str, *, limited: bool) -> dict[str, Any]:
    names = ["X-Request-Id"]
    if limited:
        names += ["RateLimit-Policy", "RateLimit"]
    if status == Unauthorized.status:
        names.append("WWW-Authenticate")
    elif status in _MAY_RETRY:
        names.append("Retry-After")
    elif method == "POST":
        names.append("Idempotent-Replayed")
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _mended(node: Any) -> Any:
    """A schema as it is meant.

    Money leaves as a JSON number, while msgspec's schema says a string. What Pydantic checks after
    a validator of ours it documents under its own names, and a Decimal's default as text.
    """
    if isinstance(node, list):
        return [_mended(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("format") == "decimal":
        return {"type": "number"}
    mended = {_keyword(key, value): _mended(value) for key, value in node.items()}
    if mended.get("type") == "number" and "default" in mended:
        mended["default"] = float(mended["default"])
    if (places := mended.pop("decimal_places", None)) is not None:
        mended["multipleOf"] = 10**-places
    return mended


def _keyword(key: str, value: Any) -> str:
    return key if isinstance(value, dict) else _KEYWORDS.get(key, key)
